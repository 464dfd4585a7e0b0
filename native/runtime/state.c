// What is remembered of a container: see state.h.
#include "runtime/state.h"
#include "base/cleanup.h"
#include "base/fs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const status_names[] = {"creating", "created", "running", "stopped"};

int state_check_id(const char *id, bh_error *err) {
    size_t length = strlen(id);
    bool good = length > 0 && length <= STATE_ID_MAX && isalnum((unsigned char)*id);
    for (const char *c = id; good && *c; c++)
        good = isalnum((unsigned char)*c) || strchr("_+-.", *c);
    return good ? 0
                : bh_fail(err, EINVAL, "\"%s\" is not a container id (letters, digits, _ + - ., at most %d)", id,
                          STATE_ID_MAX);
}

int state_make_dir(const char *root, const char *id, bh_error *err) {
    char path[512];
    if (snprintf(path, sizeof path, "%s/%s", root, id) >= (int)sizeof path)
        return bh_fail(err, ENAMETOOLONG, "--root %s", root);
    // 0700: state and configuration are nobody's business but root's.
    int made = mkdir(path, 0700);
    if (made < 0 && errno == ENOENT) {
        if (fs_make_dirs(root, 0700, err) < 0)
            return -1;
        made = mkdir(path, 0700);
    }
    if (made < 0)
        return errno == EEXIST ? bh_fail(err, 0, "a container named %s already exists (bulkhead delete %s)", id, id)
                               : bh_fail(err, errno, "cannot create %s", path);
    int fd = state_open_dir(root, id, err);
    if (fd < 0)
        rmdir(path);
    return fd;
}

int state_open_dir(const char *root, const char *id, bh_error *err) {
    char path[512];
    if (state_check_id(id, err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/%s", root, id);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (errno != ENOENT)
        return bh_fail(err, errno, "cannot open %s", path);
    bh_fail(err, 0, "container %s does not exist (bulkhead list)", id);
    err->code = ENOENT;
    return -1;
}

int state_remove_dir(const char *root, const char *id, bh_error *err) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, id);
    return fs_remove_tree(AT_FDCWD, path, err);
}

int state_save(int dir, const state *s, bh_error *err) {
    cleanup_json json_t *document =
        json_pack("{s:s, s:i, s:I, s:s, s:s, s:s, s:s, s:O?, s:O?}", "id", s->id, "pid", (int)s->pid, "startTicks",
                  (json_int_t)s->start_ticks, "bundle", s->bundle, "rootfs", s->rootfs, "cgroupPath", s->cgroup_path,
                  "created", s->created, "annotations", s->annotations, "hooks", s->hooks);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot write the state of %s", s->id);
    // Whole or not at all: callers such as podman ask for the state again and again while it is written.
    return fs_replace(dir, "state.json", text, 0600, err);
}

static void copy_text(char *to, size_t size, const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(to, size, "%s", text ? text : "");
}

// A new reference. What state_save had nothing for is null in the file, and must not become a value that `state`
// prints.
static json_t *copy_object(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : json_incref(value);
}

int state_load(int dir, const char *id, state *s, bh_error *err) {
    *s = (state){0};
    snprintf(s->id, sizeof s->id, "%s", id);
    cleanup_fd int fd = openat(dir, "state.json", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        // Still being made, or its maker was killed: there is no process to speak of.
        return errno == ENOENT ? 0 : bh_fail(err, errno, "cannot open the state of %s", id);
    // By way of stdio: json_loadfd reads a byte at a time.
    cleanup_file FILE *file = fdopen(fd, "r");
    if (!file)
        return bh_fail(err, errno, "cannot read the state of %s", id);
    fd = -1; // is the file's now
    json_error_t json_error;
    cleanup_json json_t *document = json_loadf(file, 0, &json_error);
    if (!json_is_object(document))
        return bh_fail(err, ferror(file) ? errno : 0, "the state of %s cannot be read: %s", id, json_error.text);
    s->pid = (pid_t)json_integer_value(json_object_get(document, "pid"));
    s->start_ticks = (uint64_t)json_integer_value(json_object_get(document, "startTicks"));
    copy_text(s->bundle, sizeof s->bundle, document, "bundle");
    copy_text(s->rootfs, sizeof s->rootfs, document, "rootfs");
    copy_text(s->cgroup_path, sizeof s->cgroup_path, document, "cgroupPath");
    copy_text(s->created, sizeof s->created, document, "created");
    s->annotations = copy_object(document, "annotations");
    s->hooks = copy_object(document, "hooks");
    return 0;
}

void state_free(state *s) {
    json_decref(s->annotations);
    json_decref(s->hooks);
    s->annotations = s->hooks = NULL;
}

uint64_t state_process_start(pid_t pid) {
    char path[64], text[1024], process_state;
    bh_error ignored;
    unsigned long long start = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (pid <= 0 || fs_read(AT_FDCWD, path, text, sizeof text, &ignored) < 0)
        return 0;
    // "pid (name) state ppid …", and the name may hold anything, parentheses too: count from the last one. Field 22.
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest, ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                        &process_state, &start) != 2)
        return 0;
    return process_state == 'Z' || process_state == 'X' ? 0 : start;
}

int state_open_process(const state *s, bh_error *err) {
    cleanup_fd int process = s->pid > 0 ? pidfd_open(s->pid, 0) : -1;
    // Opened first, then compared: the pid cannot be given to another process while it is held.
    if (process < 0 || state_process_start(s->pid) != s->start_ticks) {
        bh_fail(err, 0, "container %s is not running: no such process", s->id);
        err->code = ESRCH;
        return -1;
    }
    return take_fd(&process);
}

state_status state_status_of(int dir, const state *s) {
    if (s->pid == 0)
        return STATE_CREATING;
    if (state_process_start(s->pid) != s->start_ticks)
        return STATE_STOPPED;
    return faccessat(dir, STATE_START_SOCKET, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? STATE_CREATED : STATE_RUNNING;
}

const char *state_status_name(state_status status) {
    return status_names[status];
}

json_t *state_to_json(int dir, const state *s) {
    state_status status = state_status_of(dir, s);
    bool paused = status == STATE_RUNNING && s->cgroup_path[0] && cgroup_is_frozen(s->cgroup_path);
    // Beyond the specification what containerd's client decodes; there is no owner but root.
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "ociVersion", OCI_VERSION, "id", s->id, "status",
                               paused ? "paused" : state_status_name(status), "bundle", s->bundle, "rootfs", s->rootfs,
                               "created", s->created, "owner", "root");
    // The spec wants pid while there is a process, and podman reads 0 as none.
    json_object_set_new(object, "pid", json_integer(status == STATE_STOPPED ? 0 : s->pid));
    if (s->annotations)
        json_object_set(object, "annotations", s->annotations);
    return object;
}
