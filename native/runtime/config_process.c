// config.json's `process`, also the whole of the file given to `exec --process`.
#include "runtime/capabilities.h"
#include "runtime/config.h"
#include "runtime/log.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct {
    const char *name;
    int resource;
} rlimit_names[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

static int parse_user(process_config *p, const json_place *at, bh_error *err) {
    json_place user;
    json_t *groups = NULL;
    int64_t uid = 0, gid = 0, mask = 022;
    if (json_get_object(at, "user", &user, err) < 0 ||
        json_get_integer(&user, "uid", 0, UINT32_MAX - 1, &uid, err) < 0 ||
        json_get_integer(&user, "gid", 0, UINT32_MAX - 1, &gid, err) < 0 ||
        json_get_integer(&user, "umask", 0, 0777, &mask, err) < 0 ||
        json_get_array(&user, "additionalGids", &groups, err) < 0)
        return -1;
    p->uid = (uid_t)uid;
    p->gid = (gid_t)gid;
    p->umask = (mode_t)mask;
    p->group_count = json_array_size(groups);
    p->groups = calloc(p->group_count + 1, sizeof *p->groups);
    if (!p->groups)
        return bh_fail(err, ENOMEM, "cannot read %s", user.path);
    for (size_t i = 0; i < p->group_count; i++) {
        json_int_t group = json_integer_value(json_array_get(groups, i));
        if (!json_is_integer(json_array_get(groups, i)) || group < 0 || group >= UINT32_MAX)
            return bh_fail(err, 0, "%s.additionalGids[%zu] must be a group id", user.path, i);
        p->groups[i] = (gid_t)group;
    }
    return 0;
}

static int parse_capabilities(process_config *p, const json_place *at, bh_error *err) {
    json_place sets;
    if (json_get_object(at, "capabilities", &sets, err) < 0)
        return -1;
    capability_sets *c = &p->capabilities;
    const struct {
        const char *name;
        uint64_t *set;
    } all[] = {{"bounding", &c->bounding},
               {"effective", &c->effective},
               {"permitted", &c->permitted},
               {"inheritable", &c->inheritable},
               {"ambient", &c->ambient}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char **names = NULL;
        if (json_get_strings(&sets, all[i].name, &names, err) < 0)
            return -1;
        for (const char **name = names; name && *name; name++) {
            int number = capability_number(*name);
            // The specification wants a warning: a list may be newer than the runtime.
            if (number < 0)
                log_warning("%s.%s: there is no capability %s", sets.path, all[i].name, *name);
            else
                *all[i].set |= 1ull << number;
        }
        free(names);
    }
    return 0;
}

static int parse_rlimits(process_config *p, const json_place *at, bh_error *err) {
    json_t *array = NULL;
    if (json_get_array(at, "rlimits", &array, err) < 0)
        return -1;
    size_t count = json_array_size(array);
    p->rlimits = calloc(count + 1, sizeof *p->rlimits);
    if (!p->rlimits)
        return bh_fail(err, ENOMEM, "cannot read %s.rlimits", at->path);
    for (size_t i = 0; i < count; i++) {
        json_place item;
        const char *type = "";
        int64_t soft = -1, hard = -1; // with the bits of the spec's uint64: json_document.h
        if (json_get_element(at, "rlimits", array, i, &item, err) < 0 ||
            json_get_string(&item, "type", &type, err) < 0 ||
            json_get_integer(&item, "soft", INT64_MIN, INT64_MAX, &soft, err) < 0 ||
            json_get_integer(&item, "hard", INT64_MIN, INT64_MAX, &hard, err) < 0)
            return -1;
        if (!json_object_get(item.object, "soft") || !json_object_get(item.object, "hard"))
            return bh_fail(err, 0, "%s needs type, soft and hard", item.path);
        int resource = -1;
        for (size_t known = 0; known < sizeof rlimit_names / sizeof *rlimit_names; known++)
            if (strcmp(type, rlimit_names[known].name) == 0)
                resource = rlimit_names[known].resource;
        if (resource < 0)
            return bh_fail(err, 0, "%s.type: there is no limit \"%s\"", item.path, type);
        for (size_t earlier = 0; earlier < p->rlimit_count; earlier++)
            if (p->rlimits[earlier].resource == resource)
                return bh_fail(err, 0, "%s.type: %s is listed twice", item.path, type);
        p->rlimits[p->rlimit_count++] =
            (process_rlimit){resource, {.rlim_cur = (rlim_t)soft, .rlim_max = (rlim_t)hard}};
    }
    return 0;
}

static int parse_terminal(process_config *p, const json_place *at, bh_error *err) {
    json_place size;
    int64_t columns = 0, rows = 0;
    if (json_get_bool(at, "terminal", &p->terminal, err) < 0 || json_get_object(at, "consoleSize", &size, err) < 0 ||
        json_get_integer(&size, "width", 0, USHRT_MAX, &columns, err) < 0 ||
        json_get_integer(&size, "height", 0, USHRT_MAX, &rows, err) < 0)
        return -1;
    p->columns = (unsigned short)columns;
    p->rows = (unsigned short)rows;
    return 0;
}

// Go's callers write an empty text where they mean none.
static int parse_label(process_config *p, const json_place *at, bh_error *err) {
    if (json_get_string(at, "selinuxLabel", &p->selinux_label, err) < 0)
        return -1;
    if (p->selinux_label && !*p->selinux_label)
        p->selinux_label = NULL;
    return 0;
}

int config_parse_process(process_config *p, const json_place *at, bh_error *err) {
    int64_t score = INT64_MIN;
    *p = (process_config){0};
    if (!at->object)
        return bh_fail(err, 0, "process is missing");
    if (parse_terminal(p, at, err) < 0 || parse_user(p, at, err) < 0 ||
        json_get_strings(at, "args", &p->args, err) < 0 || json_get_strings(at, "env", &p->env, err) < 0 ||
        json_get_string(at, "cwd", &p->cwd, err) < 0 || parse_label(p, at, err) < 0 ||
        json_get_bool(at, "noNewPrivileges", &p->no_new_privileges, err) < 0 ||
        json_get_integer(at, "oomScoreAdj", -1000, 1000, &score, err) < 0 || parse_capabilities(p, at, err) < 0 ||
        parse_rlimits(p, at, err) < 0 || scheduling_parse(&p->scheduling, at, err) < 0 ||
        json_get_string(at, "apparmorProfile", &p->apparmor_profile, err) < 0)
        return -1;
    if (p->apparmor_profile && !*p->apparmor_profile)
        p->apparmor_profile = NULL;
    p->has_oom_score = score != INT64_MIN;
    p->oom_score = p->has_oom_score ? (int)score : 0;
    if (!p->args || !p->args[0] || !*p->args[0])
        return bh_fail(err, 0, "process.args is empty");
    if (!p->cwd || *p->cwd != '/')
        return bh_fail(err, 0, "process.cwd must be an absolute path");
    return 0;
}

void config_free_process(process_config *p) {
    free(p->groups);
    free(p->args);
    free(p->env);
    free(p->rlimits);
    *p = (process_config){0};
}
