// config.json as a whole: the document, the root, the annotations that are ours. See config.h.
#include "runtime/config.h"
#include "base/cleanup.h"
#include "runtime/config_fields.h"
#include "runtime/hooks.h"
#include "runtime/json_document.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_MAX_BYTES = 4 << 20 };

static int check_version(const char *version, bh_error *err) {
    if (!version)
        return bh_fail(err, 0, "ociVersion is missing");
    // Semantic versioning: "1.0.0-rc5-dev" too. A later 1.x is no reason to refuse: what is new in it is, where it is
    // used and known here (config_fields), and otherwise the specification wants it ignored.
    unsigned major, minor, patch;
    int end = 0;
    bool semantic = sscanf(version, "%u.%u.%u%n", &major, &minor, &patch, &end) == 3 &&
                    strspn(version, "0123456789.") == (size_t)end &&
                    (version[end] == '\0' || version[end] == '-' || version[end] == '+');
    if (!semantic)
        return bh_fail(err, 0, "ociVersion \"%s\" is not a version such as " OCI_VERSION, version);
    if (major != 1)
        return bh_fail(err, 0, "ociVersion is %s; this runtime knows 1.x, from " OCI_VERSION_MIN " to " OCI_VERSION,
                       version);
    return 0;
}

static int parse_root(config *c, const json_place *document, bh_error *err) {
    json_place root;
    if (json_get_object(document, "root", &root, err) < 0 || json_get_string(&root, "path", &c->root_path, err) < 0 ||
        json_get_bool(&root, "readonly", &c->root_readonly, err) < 0)
        return -1;
    if (!c->root_path || !*c->root_path)
        return bh_fail(err, 0, "root.path is missing");
    return 0;
}

// A whole number of at least 1 in an annotation, whose values are strings.
static int parse_number(const json_place *annotations, const char *key, int64_t *value, bh_error *err) {
    const char *text = NULL;
    if (json_get_string(annotations, key, &text, err) < 0)
        return -1;
    if (!text)
        return 0;
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || *value < 1)
        return bh_fail(err, 0, "annotations.%s is \"%s\"; it must be a decimal number above 0", key, text);
    return 0;
}

static int parse_annotations(config *c, const json_place *document, bh_error *err) {
    json_place annotations;
    if (json_get_object(document, "annotations", &annotations, err) < 0)
        return -1;
    c->annotations = annotations.object;
    const char *key;
    json_t *value;
    json_object_foreach(annotations.object, key, value) {
        if (!*key || !json_is_string(value))
            return bh_fail(err, 0, "annotations.%s must have a name and a string as its value", key);
    }
    if (parse_number(&annotations, "dev.bulkhead.overlay.size", &c->overlay_size, err) < 0 ||
        parse_number(&annotations, "dev.bulkhead.overlay.inodes", &c->overlay_inodes, err) < 0)
        return -1;
    if (c->overlay_inodes > 0 && c->overlay_size < 0)
        return bh_fail(err, 0, "annotations.dev.bulkhead.overlay.inodes needs dev.bulkhead.overlay.size");
    c->overlay_layer = json_string_value(json_object_get(annotations.object, "dev.bulkhead.overlay.layer"));
    if (c->overlay_layer && (*c->overlay_layer != '/' || c->overlay_size < 0))
        return bh_fail(err, 0,
                       "annotations.dev.bulkhead.overlay.layer must be an absolute path, beside "
                       "dev.bulkhead.overlay.size");
    return 0;
}

int config_parse(config *c, const char *text, size_t length, bh_error *err) {
    *c = (config){.overlay_size = -1, .overlay_inodes = -1, .limits = CGROUP_NO_LIMITS, .personality = -1};
    c->document = json_read_text(text, length, err);
    if (!c->document)
        return -1;
    if (!json_is_object(c->document))
        return bh_fail(err, 0, "the document must be an object");
    json_place document = {.object = c->document}, process, hooks;
    if (json_get_string(&document, "ociVersion", &c->oci_version, err) < 0 || check_version(c->oci_version, err) < 0 ||
        config_check_fields(&document, "", err) < 0 || parse_root(c, &document, err) < 0 ||
        json_get_string(&document, "hostname", &c->hostname, err) < 0 ||
        json_get_string(&document, "domainname", &c->domainname, err) < 0 || parse_annotations(c, &document, err) < 0 ||
        json_get_object(&document, "process", &process, err) < 0 ||
        config_parse_process(&c->process, &process, err) < 0 || config_parse_mounts(c, &document, err) < 0 ||
        json_get_object(&document, "hooks", &hooks, err) < 0 || hooks_check(&hooks, err) < 0)
        return -1;
    c->hooks = hooks.object;
    return config_parse_linux(c, &document, err);
}

int config_load(config *c, int dir, const char *path, bh_error *err) {
    *c = (config){0};
    cleanup_fd int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bh_fail(err, errno, "cannot open %s (a bundle is a folder that holds it)", path);
    struct stat info;
    // A device may have no end, and a bundle need not be root's own: it is bounded before it is read.
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size > CONFIG_MAX_BYTES)
        return bh_fail(err, 0, "%s must be a regular file of at most %d bytes", path, CONFIG_MAX_BYTES);
    size_t size = (size_t)info.st_size, length = 0;
    cleanup_free char *text = malloc(size + 1);
    if (!text)
        return bh_fail(err, ENOMEM, "cannot read %s", path);
    for (ssize_t got; length < size && (got = read(fd, text + length, size - length)) != 0; length += (size_t)got)
        if (got < 0)
            return bh_fail(err, errno, "cannot read %s", path);
    text[length] = '\0';
    int result = config_parse(c, text, length, err);
    // Kept as it was read: exec is to see the same document, even if the bundle has changed by then.
    c->text = take_pointer(text);
    return result < 0 ? bh_wrap(err, "%s", path) : 0;
}

// What the specification leaves to the runtime. Only for who asks for limits, or wants to see its group: the others
// stay in their caller's.
int config_default_cgroup(config *c, const char *id, bh_error *err) {
    bool needed = c->limited;
    for (size_t i = 0; i < c->mount_count; i++)
        needed |= strcmp(c->mounts[i].type, "cgroup") == 0 && cgroup_version() == 1;
    if (!needed || c->cgroup_path)
        return 0;
    if (asprintf(&c->default_cgroup_path, "bulkhead-containers/%s", id) < 0) {
        c->default_cgroup_path = NULL;
        return bh_fail(err, ENOMEM, "cannot name the container's cgroup");
    }
    c->cgroup_path = c->default_cgroup_path;
    return 0;
}

void config_free(config *c) {
    config_free_process(&c->process);
    for (size_t i = 0; i < c->mount_count; i++)
        free(c->mounts[i].maps), free(c->mounts[i].options);
    free(c->mounts);
    free(c->settings);
    free(c->device_rules);
    free(c->devices);
    free(c->sysctls);
    free(c->mount_context);
    free(c->default_cgroup_path);
    free(c->masked_paths);
    free(c->readonly_paths);
    json_decref(c->document);
    free(c->text);
    *c = (config){0};
}
