// config.json's `mounts`. Options are read where they are used (mount_options.c).
#include "runtime/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int parse_maps(mount_config *m, const json_place *at, bh_error *err) {
    if (json_array_size(json_object_get(at->object, "uidMappings")) == 0 &&
        json_array_size(json_object_get(at->object, "gidMappings")) == 0) {
        size_t none = 0; // but what is there must still be a list
        return config_parse_id_maps(at, "uidMappings", NULL, &none, err) < 0
                   ? -1
                   : config_parse_id_maps(at, "gidMappings", NULL, &none, err);
    }
    if (!(m->maps = calloc(1, sizeof *m->maps)))
        return bh_fail(err, ENOMEM, "cannot read %s", at->path);
    if (config_parse_id_maps(at, "uidMappings", m->maps->uids, &m->maps->uid_count, err) < 0 ||
        config_parse_id_maps(at, "gidMappings", m->maps->gids, &m->maps->gid_count, err) < 0)
        return -1;
    if (m->maps->uid_count == 0 || m->maps->gid_count == 0)
        return bh_fail(err, 0, "%s needs uidMappings and gidMappings, or neither", at->path);
    return 0;
}

static int parse_mount(mount_config *m, const json_place *at, bh_error *err) {
    snprintf(m->path, sizeof m->path, "%.*s", (int)sizeof m->path - 1, at->path);
    m->type = "none";
    if (json_get_string(at, "destination", &m->destination, err) < 0 ||
        json_get_string(at, "type", &m->type, err) < 0 || json_get_string(at, "source", &m->source, err) < 0 ||
        json_get_strings(at, "options", &m->options, err) < 0)
        return -1;
    if (!m->destination || *m->destination != '/')
        return bh_fail(err, 0, "%s.destination must be an absolute path", at->path);
    return parse_maps(m, at, err);
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
