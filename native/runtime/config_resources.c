// config.json's `linux.resources`: limits of the container's cgroup.
#include "runtime/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What the spec writes as -1.
static void no_limit(int64_t *limit) {
    if (*limit == -1)
        *limit = CGROUP_UNLIMITED;
}

static int parse_memory(config *c, const json_place *at, bh_error *err) {
    json_place memory;
    bool hierarchy = true;
    if (json_get_object(at, "memory", &memory, err) < 0 ||
        json_get_integer(&memory, "limit", -1, INT64_MAX, &c->limits.memory_bytes, err) < 0 ||
        json_get_bool(&memory, "useHierarchy", &hierarchy, err) < 0 ||
        json_get_bool(&memory, "checkBeforeUpdate", &c->check_memory, err) < 0)
        return -1;
    return hierarchy ? 0
                     : bh_fail(err, 0, "%s.useHierarchy: Linux has only hierarchical groups since 5.11", memory.path);
}

static int parse_cpu(config *c, const json_place *at, bh_error *err) {
    json_place cpu;
    int64_t shares = -1, period = 0;
    if (json_get_object(at, "cpu", &cpu, err) < 0 ||
        json_get_integer(&cpu, "quota", -1, INT64_MAX, &c->limits.cpu_quota_us, err) < 0 ||
        json_get_integer(&cpu, "period", 0, 1000000, &period, err) < 0 ||
        json_get_integer(&cpu, "shares", 0, 262144, &shares, err) < 0)
        return -1;
    if (period > 0) // 0 says nothing, as for runc and crun
        c->limits.cpu_period_us = period;
    if (c->limits.cpu_quota_us == 0)
        c->limits.cpu_quota_us = -2;
    if (shares > 0) { // the conversion that systemd, runc and crun use: 2..262144 to 1..10000
        c->limits.cpu_shares = shares < 2 ? 2 : shares;
        c->limits.cpu_weight = 1 + (c->limits.cpu_shares - 2) * 9999 / 262142;
    }
    return 0;
}

// What every container has (devices.c) must be usable whatever the document denies, terminals included. Later rules
// win.
static const cgroup_device default_rules[] = {
    {.allow = true, .type = 'c', .major = 1, .minor = 3, .access = "rwm"},    // null
    {.allow = true, .type = 'c', .major = 1, .minor = 5, .access = "rwm"},    // zero
    {.allow = true, .type = 'c', .major = 1, .minor = 7, .access = "rwm"},    // full
    {.allow = true, .type = 'c', .major = 1, .minor = 8, .access = "rwm"},    // random
    {.allow = true, .type = 'c', .major = 1, .minor = 9, .access = "rwm"},    // urandom
    {.allow = true, .type = 'c', .major = 5, .minor = 0, .access = "rwm"},    // tty
    {.allow = true, .type = 'c', .major = 5, .minor = 2, .access = "rwm"},    // ptmx
    {.allow = true, .type = 'c', .major = 136, .minor = -1, .access = "rwm"}, // pts
};

static int parse_device_rules(config *c, const json_place *at, bh_error *err) {
    json_t *array = NULL;
    if (json_get_array(at, "devices", &array, err) < 0)
        return -1;
    size_t count = json_array_size(array);
    const size_t defaults = sizeof default_rules / sizeof *default_rules;
    c->device_rules = calloc(count + defaults, sizeof *c->device_rules);
    if (!c->device_rules)
        return bh_fail(err, ENOMEM, "cannot read %s.devices", at->path);
    for (size_t i = 0; i < count; i++) {
        json_place item;
        cgroup_device rule = {.major = -1, .minor = -1};
        const char *type = "a", *access = "rwm";
        if (json_get_element(at, "devices", array, i, &item, err) < 0 ||
            json_get_bool(&item, "allow", &rule.allow, err) < 0 || json_get_string(&item, "type", &type, err) < 0 ||
            json_get_integer(&item, "major", -1, 4095, &rule.major, err) < 0 ||
            json_get_integer(&item, "minor", -1, 1048575, &rule.minor, err) < 0 ||
            json_get_string(&item, "access", &access, err) < 0)
            return -1;
        if (strlen(type) != 1 || !strchr("abc", *type))
            return bh_fail(err, 0, "%s.type must be a, b or c", item.path);
        if (!*access || strlen(access) > 3 || strspn(access, "rwm") != strlen(access))
            return bh_fail(err, 0, "%s.access must be some of r, w and m", item.path);
        // Both kinds of cgroup take "a" to mean everything there is.
        if (*type == 'a' && (rule.major >= 0 || rule.minor >= 0 || strlen(access) != 3))
            return bh_fail(err, 0, "%s: type a cannot be narrowed by major, minor or access", item.path);
        rule.type = *type;
        strcpy(rule.access, access);
        c->device_rules[c->device_rule_count++] = rule;
    }
    if (count > 0) {
        memcpy(c->device_rules + count, default_rules, sizeof default_rules);
        c->device_rule_count += defaults;
    }
    return 0;
}

int config_parse_resources(config *c, const json_place *at, bh_error *err) {
    json_place pids;
    cgroup_limits *l = &c->limits;
    // "Leave it" is told from an explicit -1 by being another negative number.
    *l = (cgroup_limits){-2, -2, -2, -2, -2, -2, ""};
    snprintf(l->origin, sizeof l->origin, "%s", at->path);
    if (parse_memory(c, at, err) < 0 || parse_cpu(c, at, err) < 0 || json_get_object(at, "pids", &pids, err) < 0 ||
        json_get_integer(&pids, "limit", -1, INT64_MAX, &l->pids, err) < 0)
        return -1;
    // runc and crun read 0 as "no limit" too: a container without a single process cannot be meant.
    if (l->pids == 0)
        l->pids = -1;
    no_limit(&l->memory_bytes);
    no_limit(&l->cpu_quota_us);
    no_limit(&l->pids);
    if (parse_device_rules(c, at, err) < 0 || config_parse_settings(c, at, cgroup_version(), err) < 0)
        return -1;
    const int64_t set[] = {l->memory_bytes, l->pids, l->cpu_quota_us, l->cpu_weight};
    c->limited = c->device_rule_count > 0 || c->setting_count > 0;
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        c->limited |= set[i] >= 0 && set[i] != CGROUP_UNLIMITED;
    return 0;
}
