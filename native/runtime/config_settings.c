// The rest of config.json's `linux.resources`: what is a line for one file of the container's cgroup, as the host's
// version of cgroups has it. Limits that both versions have under names of cgroup.h's own are in config_resources.c.
// https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#control-groups
#include "runtime/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// Fields that are one number in one file. A NULL file: that version has nothing of the kind.
static const struct {
    const char *group, *key, *controller, *v1, *v2;
    int64_t min, max;
} numbers[] = {
    {"memory", "reservation", "memory", "memory.soft_limit_in_bytes", "memory.low", -1, INT64_MAX},
    {"memory", "swappiness", "memory", "memory.swappiness", NULL, 0, 100},
    // After the limit that memory.limit has brought along (cgroup1.c).
    {"memory", "kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes", NULL, -1, INT64_MAX},
    {"cpu", "burst", "cpu", "cpu.cfs_burst_us", "cpu.max.burst", 0, INT64_MAX},
    {"cpu", "idle", "cpu", "cpu.idle", "cpu.idle", 0, 1},
    // The period first: a runtime may not be longer than it.
    {"cpu", "realtimePeriod", "cpu", "cpu.rt_period_us", NULL, 0, INT64_MAX},
    {"cpu", "realtimeRuntime", "cpu", "cpu.rt_runtime_us", NULL, -1, INT64_MAX},
};

static const struct {
    const char *key, *v1, *v2;
} throttles[] = {
    {"throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"},
    {"throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"},
    {"throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"},
    {"throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"},
};

int config_add_setting(config *c, const char *field, const char *controller, const char *file, bh_error *err,
                       const char *format, ...) {
    cgroup_setting *grown = realloc(c->settings, (c->setting_count + 1) * sizeof *grown);
    if (!grown)
        return bh_fail(err, ENOMEM, "cannot read %s", field);
    c->settings = grown;
    cgroup_setting *s = &grown[c->setting_count++];
    snprintf(s->field, sizeof s->field, "%s", field);
    snprintf(s->controller, sizeof s->controller, "%s", controller);
    snprintf(s->file, sizeof s->file, "%s", file);
    va_list args;
    va_start(args, format);
    int length = vsnprintf(s->value, sizeof s->value, format, args);
    va_end(args);
    return length < (int)sizeof s->value ? 0 : bh_fail(err, 0, "%s is longer than this runtime reads", field);
}

int config_only_v1(const char *field, bh_error *err) {
    return bh_fail(err, 0, "%s is not supported on cgroup v2: the kernel has nothing of the kind", field);
}

static int parse_numbers(config *c, const json_place *at, int version, bh_error *err) {
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        json_place group;
        int64_t value = INT64_MIN;
        char field[200];
        if (json_get_object(at, numbers[i].group, &group, err) < 0 ||
            json_get_integer(&group, numbers[i].key, numbers[i].min, numbers[i].max, &value, err) < 0)
            return -1;
        if (value == INT64_MIN)
            continue;
        const char *file = version == 2 ? numbers[i].v2 : numbers[i].v1;
        snprintf(field, sizeof field, "%s.%s", group.path, numbers[i].key);
        if (!file)
            return config_only_v1(field, err);
        int added = value < 0 && version == 2
                        ? config_add_setting(c, field, numbers[i].controller, file, err, "max")
                        : config_add_setting(c, field, numbers[i].controller, file, err, "%" PRId64, value);
        if (added < 0)
            return -1;
    }
    return 0;
}

// The spec counts memory and swap together, as v1 does; v2 counts swap alone.
static int parse_swap(config *c, const json_place *memory, int version, bh_error *err) {
    int64_t swap = INT64_MIN, limit = c->limits.memory_bytes;
    char field[200];
    if (json_get_integer(memory, "swap", -1, INT64_MAX, &swap, err) < 0)
        return -1;
    if (swap == INT64_MIN || swap == limit) // equal to limit: that is what a limit alone means here
        return 0;
    snprintf(field, sizeof field, "%s.swap", memory->path);
    if (version == 1)
        return config_add_setting(c, field, "memory", "memory.memsw.limit_in_bytes", err, "%" PRId64, swap);
    if (swap < 0)
        return config_add_setting(c, field, "memory", "memory.swap.max", err, "max");
    if (limit < 0 || limit == CGROUP_UNLIMITED || swap < limit)
        return bh_fail(err, 0, "%s needs a limit, and may not be less", field);
    return config_add_setting(c, field, "memory", "memory.swap.max", err, "%" PRId64, swap - limit);
}

static int parse_oom_killer(config *c, const json_place *memory, int version, bh_error *err) {
    bool disable = false;
    char field[200];
    snprintf(field, sizeof field, "%s.disableOOMKiller", memory->path);
    if (json_get_bool(memory, "disableOOMKiller", &disable, err) < 0)
        return -1;
    if (!disable)
        return 0;
    return version == 2 ? config_only_v1(field, err)
                        : config_add_setting(c, field, "memory", "memory.oom_control", err, "1");
}

static int parse_cpuset(config *c, const json_place *at, bh_error *err) {
    static const char *const keys[][2] = {{"cpus", "cpuset.cpus"}, {"mems", "cpuset.mems"}};
    json_place cpu;
    if (json_get_object(at, "cpu", &cpu, err) < 0)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        const char *list = "";
        char field[200];
        if (json_get_string(&cpu, keys[i][0], &list, err) < 0)
            return -1;
        snprintf(field, sizeof field, "%s.%s", cpu.path, keys[i][0]);
        if (strspn(list, "0123456789,-") != strlen(list))
            return bh_fail(err, 0, "%s is \"%s\"; it must be a list such as 0-3,7", field, list);
        if (*list && config_add_setting(c, field, "cpuset", keys[i][1], err, "%s", list) < 0)
            return -1;
    }
    return 0;
}

// One entry of a list of devices: a number for one disk.
static int parse_disk(const json_place *item, const char *key, int64_t max, int64_t numbers_of[3], bh_error *err) {
    numbers_of[0] = numbers_of[1] = numbers_of[2] = -1;
    if (json_get_integer(item, "major", 0, 4095, &numbers_of[0], err) < 0 ||
        json_get_integer(item, "minor", 0, 1048575, &numbers_of[1], err) < 0 ||
        json_get_integer(item, key, 0, max, &numbers_of[2], err) < 0)
        return -1;
    if (numbers_of[0] < 0 || numbers_of[1] < 0 || numbers_of[2] < 0)
        return bh_fail(err, 0, "%s needs major, minor and %s", item->path, key);
    return 0;
}

static int parse_throttles(config *c, const json_place *io, int version, bh_error *err) {
    for (size_t i = 0; i < sizeof throttles / sizeof *throttles; i++) {
        json_t *array = NULL;
        if (json_get_array(io, throttles[i].key, &array, err) < 0)
            return -1;
        for (size_t at = 0; at < json_array_size(array); at++) {
            json_place item;
            int64_t n[3];
            if (json_get_element(io, throttles[i].key, array, at, &item, err) < 0 ||
                parse_disk(&item, "rate", INT64_MAX, n, err) < 0)
                return -1;
            int added = version == 1 ? config_add_setting(c, item.path, "blkio", throttles[i].v1, err,
                                                          "%" PRId64 ":%" PRId64 " %" PRId64, n[0], n[1], n[2])
                                     : config_add_setting(c, item.path, "io", "io.max", err,
                                                          "%" PRId64 ":%" PRId64 " %s=%" PRId64, n[0], n[1],
                                                          throttles[i].v2, n[2]);
            if (added < 0)
                return -1;
        }
    }
    return 0;
}

// v1 has BFQ's weights since CFQ left the kernel (5.0), from 1 to 1000; v2 counts from 1 to 10000 about 100. The
// spec's are CFQ's 10 to 1000.
static int64_t io_weight(int64_t weight, int version) {
    return version == 1 ? weight : 1 + (weight - 10) * 9999 / 990;
}

static int parse_weights(config *c, const json_place *io, int version, bh_error *err) {
    const char *controller = version == 1 ? "blkio" : "io", *file = version == 1 ? "blkio.bfq.weight" : "io.weight";
    int64_t weight = 0;
    char field[200];
    json_t *array = NULL;
    if (json_get_integer(io, "weight", 0, 1000, &weight, err) < 0 ||
        json_get_array(io, "weightDevice", &array, err) < 0)
        return -1;
    snprintf(field, sizeof field, "%s.weight", io->path);
    if (weight != 0 && weight < 10)
        return bh_fail(err, 0, "%s is %" PRId64 "; it must be from 10 to 1000", field, weight);
    if (weight != 0 &&
        config_add_setting(c, field, controller, file, err, "default %" PRId64, io_weight(weight, version)) < 0)
        return -1;
    for (size_t at = 0; at < json_array_size(array); at++) {
        json_place item;
        int64_t n[3];
        if (json_get_element(io, "weightDevice", array, at, &item, err) < 0 ||
            parse_disk(&item, "weight", 1000, n, err) < 0)
            return -1;
        if (n[2] < 10)
            return bh_fail(err, 0, "%s.weight must be from 10 to 1000", item.path);
        if (config_add_setting(c, item.path, controller, version == 1 ? "blkio.bfq.weight_device" : file, err,
                               "%" PRId64 ":%" PRId64 " %" PRId64, n[0], n[1], io_weight(n[2], version)) < 0)
            return -1;
    }
    return 0;
}

static int parse_block_io(config *c, const json_place *at, int version, bh_error *err) {
    json_place io;
    if (json_get_object(at, "blockIO", &io, err) < 0)
        return -1;
    return parse_weights(c, &io, version, err) < 0 ? -1 : parse_throttles(c, &io, version, err);
}

// Files of the container's own group by name. Not those of the tree itself, which are the runtime's: a group made
// threaded, moved or frozen here would be none that the runtime still understands.
static int parse_unified(config *c, const json_place *at, int version, bh_error *err) {
    json_place unified;
    const char *file;
    json_t *value;
    if (json_get_object(at, "unified", &unified, err) < 0)
        return -1;
    if (version == 1 && json_object_size(unified.object) > 0)
        return bh_fail(err, 0, "%s needs a host with cgroup v2", unified.path);
    json_object_foreach(unified.object, file, value) {
        char field[300], controller[16];
        snprintf(field, sizeof field, "%s.%s", unified.path, file);
        if (!json_is_string(value))
            return bh_fail(err, 0, "%s must be a string", field);
        if (*file == '.' || !strchr(file, '.') || strchr(file, '/') || strlen(file) > 40 ||
            strncmp(file, "cgroup.", 7) == 0)
            return bh_fail(err, 0, "%s is not the name of a controller's file", field);
        snprintf(controller, sizeof controller, "%.*s", (int)strcspn(file, "."), file);
        if (config_add_setting(c, field, controller, file, err, "%s", json_string_value(value)) < 0)
            return -1;
    }
    return 0;
}

int config_parse_settings(config *c, const json_place *at, int version, bh_error *err) {
    json_place memory;
    if (json_get_object(at, "memory", &memory, err) < 0 || parse_swap(c, &memory, version, err) < 0 ||
        parse_oom_killer(c, &memory, version, err) < 0 || parse_numbers(c, at, version, err) < 0 ||
        parse_cpuset(c, at, err) < 0 || parse_block_io(c, at, version, err) < 0)
        return -1;
    return config_parse_hardware(c, at, version, err) < 0 ? -1 : parse_unified(c, at, version, err);
}
