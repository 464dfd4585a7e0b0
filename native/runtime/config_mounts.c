// config.json's `mounts`. Options are read where they are used (mount_options.c).
#include "runtime/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int parse_mount(mount_config *m, const json_place *at, bh_error *err) {
    static const char *const unsupported[] = {"uidMappings", "gidMappings", NULL};
    snprintf(m->path, sizeof m->path, "%.*s", (int)sizeof m->path - 1, at->path);
    m->type = "none";
    if (json_refuse(at, unsupported, err) < 0 || json_get_string(at, "destination", &m->destination, err) < 0 ||
        json_get_string(at, "type", &m->type, err) < 0 || json_get_string(at, "source", &m->source, err) < 0 ||
        json_get_strings(at, "options", &m->options, err) < 0)
        return -1;
    if (!m->destination || *m->destination != '/')
        return bh_fail(err, 0, "%s.destination must be an absolute path", at->path);
    return 0;
}

int config_parse_mounts(config *c, const json_place *document, bh_error *err) {
    json_t *array = NULL;
    if (json_get_array(document, "mounts", &array, err) < 0)
        return -1;
    size_t count = json_array_size(array);
    c->mounts = calloc(count + 1, sizeof *c->mounts);
    if (!c->mounts)
        return bh_fail(err, ENOMEM, "cannot read mounts");
    for (size_t i = 0; i < count; i++) {
        json_place item;
        if (json_get_element(document, "mounts", array, i, &item, err) < 0 ||
            parse_mount(&c->mounts[c->mount_count++], &item, err) < 0)
            return -1;
    }
    return 0;
}
