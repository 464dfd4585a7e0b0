// config.json's `linux`: namespaces, id maps, devices, sysctls, paths. Resources are in config_resources.c.
#include "runtime/capabilities.h"
#include "runtime/config.h"
#include "runtime/namespaces.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>

static int parse_namespaces(config *c, const json_place *at, bh_error *err) {
    json_t *array = NULL;
    if (json_get_array(at, "namespaces", &array, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_place item;
        const char *type = "", *path = NULL;
        if (json_get_element(at, "namespaces", array, i, &item, err) < 0 ||
            json_get_string(&item, "type", &type, err) < 0 || json_get_string(&item, "path", &path, err) < 0)
            return -1;
        int kind = namespace_kind(type);
        if (kind < 0)
            return bh_fail(err, 0, "%s.type: there is no namespace \"%s\"", item.path, type);
        unsigned long flag = namespace_table[kind].flag;
        if (c->namespaces & flag)
            return bh_fail(err, 0, "%s: the %s namespace is listed twice", item.path, type);
        if (path && *path && *path != '/')
            return bh_fail(err, 0, "%s.path must be absolute", item.path);
        c->namespaces |= flag;
        c->namespace_paths[kind] = path && *path ? path : NULL;
    }
    if (!(c->namespaces & CLONE_NEWNS))
        return bh_fail(err, 0, "linux.namespaces must list mount: the container's root would be the host's");
    return 0;
}

int config_parse_id_maps(const json_place *at, const char *key, id_map *maps, size_t *count, bh_error *err) {
    json_t *array = NULL;
    if (json_get_array(at, key, &array, err) < 0)
        return -1;
    if (json_array_size(array) > ID_MAPS_MAX)
        return bh_fail(err, 0, "%s.%s has more than %d entries", at->path, key, ID_MAPS_MAX);
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_place item;
        int64_t container = -1, host = -1, size = 0;
        if (json_get_element(at, key, array, i, &item, err) < 0 ||
            json_get_integer(&item, "containerID", 0, UINT32_MAX - 1, &container, err) < 0 ||
            json_get_integer(&item, "hostID", 0, UINT32_MAX - 1, &host, err) < 0 ||
            json_get_integer(&item, "size", 1, UINT32_MAX, &size, err) < 0)
            return -1;
        if (container < 0 || host < 0 || size == 0)
            return bh_fail(err, 0, "%s needs containerID, hostID and size", item.path);
        maps[(*count)++] = (id_map){(uint32_t)container, (uint32_t)host, (uint32_t)size};
    }
    return 0;
}

static int check_id_maps(const config *c, bh_error *err) {
    bool mapped = c->uid_map_count > 0 && c->gid_map_count > 0;
    // One that exists has its maps; those that callers write beside its path (podman must, for runc) say nothing.
    if (c->namespace_paths[namespace_kind("user")])
        return 0;
    if ((c->namespaces & CLONE_NEWUSER) && !mapped)
        return bh_fail(err, 0, "linux.uidMappings and linux.gidMappings are needed with a user namespace");
    if (!(c->namespaces & CLONE_NEWUSER) && (c->uid_map_count || c->gid_map_count))
        return bh_fail(err, 0, "linux.uidMappings needs a user namespace in linux.namespaces");
    return 0;
}

static int parse_device(device_config *d, const json_place *at, bh_error *err) {
    const char *type = "";
    int64_t mode = -1;
    *d = (device_config){.uid = -1, .gid = -1};
    if (json_get_string(at, "path", &d->path, err) < 0 || json_get_string(at, "type", &type, err) < 0 ||
        json_get_integer(at, "major", 0, 4095, &d->major, err) < 0 ||
        json_get_integer(at, "minor", 0, 1048575, &d->minor, err) < 0 ||
        json_get_integer(at, "fileMode", 0, UINT32_MAX, &mode, err) < 0 ||
        json_get_integer(at, "uid", 0, UINT32_MAX - 1, &d->uid, err) < 0 ||
        json_get_integer(at, "gid", 0, UINT32_MAX - 1, &d->gid, err) < 0)
        return -1;
    if (!d->path || *d->path != '/')
        return bh_fail(err, 0, "%s.path must be an absolute path", at->path);
    if (strlen(type) != 1 || !strchr("cubp", *type))
        return bh_fail(err, 0, "%s.type must be c, u, b or p", at->path);
    d->type = *type == 'u' ? 'c' : *type;
    if (d->type != 'p' && !(json_object_get(at->object, "major") && json_object_get(at->object, "minor")))
        return bh_fail(err, 0, "%s needs major and minor", at->path);
    // As stat(2) gave it, for some callers (podman): the kind of file is in it too.
    mode_t kind = d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
    if (mode >= 0 && ((mode_t)mode & ~(mode_t)07777) != 0 && ((mode_t)mode & ~(mode_t)07777) != kind)
        return bh_fail(err, 0, "%s.fileMode %#llo is not of a device of type %s", at->path, (unsigned long long)mode,
                       type);
    d->has_mode = mode >= 0;
    d->mode = d->has_mode ? (mode_t)mode & 07777 : 0666;
    return 0;
}

static int parse_devices(config *c, const json_place *at, bh_error *err) {
    json_t *array = NULL;
    if (json_get_array(at, "devices", &array, err) < 0)
        return -1;
    c->devices = calloc(json_array_size(array) + 1, sizeof *c->devices);
    if (!c->devices)
        return bh_fail(err, ENOMEM, "cannot read linux.devices");
    for (; c->device_count < json_array_size(array); c->device_count++) {
        json_place item;
        if (json_get_element(at, "devices", array, c->device_count, &item, err) < 0 ||
            parse_device(&c->devices[c->device_count], &item, err) < 0)
            return -1;
    }
    return 0;
}

// Only what belongs to a namespace of the container's own; anything else would be a setting of the host.
static bool sysctl_is_namespaced(const config *c, const char *name) {
    static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                                      "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
    if (strncmp(name, "net.", 4) == 0)
        return c->namespaces & CLONE_NEWNET;
    if (strncmp(name, "fs.mqueue.", 10) == 0)
        return c->namespaces & CLONE_NEWIPC;
    for (size_t i = 0; i < sizeof ipc / sizeof *ipc; i++)
        if (strcmp(name, ipc[i]) == 0)
            return c->namespaces & CLONE_NEWIPC;
    return strcmp(name, "kernel.domainname") == 0 && (c->namespaces & CLONE_NEWUTS);
}

static int parse_sysctls(config *c, const json_place *at, bh_error *err) {
    json_place table;
    if (json_get_object(at, "sysctl", &table, err) < 0)
        return -1;
    c->sysctls = calloc(json_object_size(table.object) + 1, sizeof *c->sysctls);
    if (!c->sysctls)
        return bh_fail(err, ENOMEM, "cannot read linux.sysctl");
    const char *name;
    json_t *value;
    json_object_foreach(table.object, name, value) {
        if (!json_is_string(value))
            return bh_fail(err, 0, "linux.sysctl.%s must be a string", name);
        if (strstr(name, "..") || strchr(name, '/') || !sysctl_is_namespaced(c, name))
            return bh_fail(err, 0, "linux.sysctl.%s does not belong to a namespace of the container's own", name);
        c->sysctls[c->sysctl_count++] = (sysctl_config){name, json_string_value(value)};
    }
    return 0;
}

// The container's init makes the nodes from inside the group: a device that may not be opened may still be there.
static int allow_making_devices(config *c, bh_error *err) {
    if (c->device_rule_count == 0 || c->device_count == 0)
        return 0;
    cgroup_device *grown = realloc(c->device_rules, (c->device_rule_count + c->device_count) * sizeof *grown);
    if (!grown)
        return bh_fail(err, ENOMEM, "cannot read linux.devices");
    c->device_rules = grown;
    for (size_t i = 0; i < c->device_count; i++) {
        const device_config *d = &c->devices[i];
        if (d->type != 'p')
            grown[c->device_rule_count++] =
                (cgroup_device){.allow = true, .type = d->type, .major = d->major, .minor = d->minor, .access = "m"};
    }
    return 0;
}

// Checked here, so that what is wrong has its path; written by namespaces.c.
static int parse_time_offsets(config *c, const json_place *at, bh_error *err) {
    json_place offsets;
    const char *clock;
    json_t *value;
    if (json_get_object(at, "timeOffsets", &offsets, err) < 0)
        return -1;
    json_object_foreach(offsets.object, clock, value) {
        json_place offset;
        int64_t number;
        if (strcmp(clock, "monotonic") != 0 && strcmp(clock, "boottime") != 0)
            return bh_fail(err, 0, "%s: there is no clock %s in a time namespace", offsets.path, clock);
        if (json_get_object(&offsets, clock, &offset, err) < 0 ||
            json_get_integer(&offset, "secs", INT64_MIN, INT64_MAX, &number, err) < 0 ||
            json_get_integer(&offset, "nanosecs", 0, 999999999, &number, err) < 0)
            return -1;
    }
    c->time_offsets = offsets.object;
    if (c->time_offsets && !(c->namespaces & CLONE_NEWTIME))
        return bh_fail(err, 0, "linux.timeOffsets needs a time namespace in linux.namespaces");
    if (c->time_offsets && c->namespace_paths[namespace_kind("time")])
        return bh_fail(err, 0, "linux.timeOffsets cannot be set in a time namespace that exists");
    return 0;
}

static int parse_paths(const json_place *at, const char *key, const char ***paths, bh_error *err) {
    if (json_get_strings(at, key, paths, err) < 0)
        return -1;
    for (size_t i = 0; *paths && (*paths)[i]; i++)
        if ((*paths)[i][0] != '/')
            return bh_fail(err, 0, "%s.%s[%zu] must be an absolute path", at->path, key, i);
    return 0;
}

static int parse_personality(config *c, const json_place *at, bh_error *err) {
    json_place personality;
    json_t *flags = NULL;
    const char *domain = NULL;
    c->personality = -1;
    if (json_get_object(at, "personality", &personality, err) < 0 ||
        json_get_string(&personality, "domain", &domain, err) < 0 ||
        json_get_array(&personality, "flags", &flags, err) < 0)
        return -1;
    if (json_array_size(flags) > 0)
        return bh_fail(err, 0, "%s.flags: the specification has none", personality.path);
    if (domain)
        c->personality = strcmp(domain, "LINUX") == 0 ? PER_LINUX : strcmp(domain, "LINUX32") == 0 ? PER_LINUX32 : -1;
    if (json_object_size(personality.object) > 0 && c->personality < 0)
        return bh_fail(err, 0, "%s.domain must be LINUX or LINUX32", personality.path);
    return 0;
}

// A new group has no limits, so there is nothing to write, and no controller that has to be there for it.
static void forget_unlimited(cgroup_limits *l) {
    int64_t *const all[] = {&l->memory_bytes, &l->pids, &l->cpu_quota_us, &l->cpu_period_us, &l->cpu_weight};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (*all[i] < 0 || *all[i] == CGROUP_UNLIMITED)
            *all[i] = -1;
}

static int parse_mount_label(config *c, const json_place *at, bh_error *err) {
    if (json_get_string(at, "mountLabel", &c->mount_label, err) < 0)
        return -1;
    if (c->mount_label && !*c->mount_label)
        c->mount_label = NULL;
    if (c->mount_label && asprintf(&c->mount_context, "context=%s", c->mount_label) < 0) {
        c->mount_context = NULL;
        return bh_fail(err, ENOMEM, "cannot read linux.mountLabel");
    }
    return 0;
}

int config_parse_linux(config *c, const json_place *document, bh_error *err) {
    json_place at, resources, seccomp;
    if (json_get_object(document, "linux", &at, err) < 0 || parse_namespaces(c, &at, err) < 0 ||
        config_parse_id_maps(&at, "uidMappings", c->uid_maps, &c->uid_map_count, err) < 0 ||
        config_parse_id_maps(&at, "gidMappings", c->gid_maps, &c->gid_map_count, err) < 0 ||
        check_id_maps(c, err) < 0 || json_get_string(&at, "cgroupsPath", &c->cgroup_path, err) < 0 ||
        json_get_object(&at, "resources", &resources, err) < 0 || config_parse_resources(c, &resources, err) < 0 ||
        parse_devices(c, &at, err) < 0 || allow_making_devices(c, err) < 0 || parse_sysctls(c, &at, err) < 0 ||
        parse_paths(&at, "maskedPaths", &c->masked_paths, err) < 0 ||
        parse_paths(&at, "readonlyPaths", &c->readonly_paths, err) < 0 ||
        json_get_string(&at, "rootfsPropagation", &c->root_propagation, err) < 0 ||
        parse_mount_label(c, &at, err) < 0 || parse_time_offsets(c, &at, err) < 0 ||
        parse_personality(c, &at, err) < 0 || json_get_object(&at, "seccomp", &seccomp, err) < 0)
        return -1;
    forget_unlimited(&c->limits);
    c->setgroups = c->process.group_count > 0 ||
                   (c->process.capabilities.bounding & 1ull << (unsigned)capability_number("CAP_SETGID"));
    c->seccomp = seccomp.object;
    if ((c->hostname || c->domainname) && !(c->namespaces & CLONE_NEWUTS))
        return bh_fail(err, 0, "hostname needs a uts namespace in linux.namespaces");
    return 0;
}
