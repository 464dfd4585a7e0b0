// `bulkhead pause`, `resume`, `ps` and `update`: what is done to a running container's cgroup.
#include "base/cgroup.h"
#include "base/cgroup_meter.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/config_fields.h"
#include "runtime/json_document.h"
#include "runtime/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The running container of the command line, whose group `verb` needs.
static int open_grouped(const settings *s, const char *id, const char *verb, state *found, bh_error *err) {
    cleanup_fd int dir = state_open_dir(s->root, id, err);
    if (dir < 0 || state_load(dir, id, found, err) < 0)
        return -1;
    state_status status = state_status_of(dir, found);
    bool grouped = found->cgroup_path[0];
    state_free(found);
    if (status != STATE_CREATED && status != STATE_RUNNING)
        return bh_fail(err, 0, "container %s is %s", id, state_status_name(status));
    return grouped ? 0 : bh_fail(err, 0, "%s needs linux.cgroupsPath, which container %s has not", verb, id);
}

static int set_frozen(const settings *s, int argc, char **argv, bool frozen, bh_error *err) {
    state found = {0};
    const char *id = verb_id(argc, argv, 0, err);
    if (!id || open_grouped(s, id, argv[0], &found, err) < 0)
        return -1;
    if (cgroup_is_frozen(found.cgroup_path) == frozen)
        return bh_fail(err, 0, "container %s is %s", id, frozen ? "paused already" : "not paused");
    return cgroup_freeze(found.cgroup_path, frozen, err);
}

int verb_pause(const settings *s, int argc, char **argv, bh_error *err) {
    return set_frozen(s, argc, argv, true, err);
}

int verb_resume(const settings *s, int argc, char **argv, bh_error *err) {
    return set_frozen(s, argc, argv, false, err);
}

// One line about a process; one that has ended since is left out.
static void print_process(pid_t pid) {
    char path[64], stat[1024], line[4096];
    unsigned parent = 0;
    bh_error ignored;
    struct stat owner;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (fs_read(AT_FDCWD, path, stat, sizeof stat, &ignored) < 0 || lstat(path, &owner) < 0)
        return;
    char *name = strchr(stat, '('), *rest = strrchr(stat, ')');
    if (!name || !rest || sscanf(rest, ") %*c %u", &parent) != 1)
        return;
    // A name may hold parentheses and spaces: it ends at the last one.
    *rest = '\0';
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
    // Arguments are NUL-separated, and a container's process may put anything in them, for a terminal too.
    for (ssize_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            line[i] = ' ';
    if (length > 0)
        line[length] = '\0';
    else
        snprintf(line, sizeof line, "[%s]", name + 1);
    printf("%-8d %-8u %-10u %s\n", pid, parent, owner.st_uid, line);
}

int verb_format(const char *word, bool *json, bh_error *err) {
    *json = strcmp(word, "json") == 0;
    return *json || strcmp(word, "table") == 0 ? 0 : bh_fail(err, 0, "--format is table or json, not \"%s\"", word);
}

int verb_ps(const settings *s, int argc, char **argv, bh_error *err) {
    static const struct option options[] = {{"format", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, "+f:", options, NULL)) != -1;) {
        if (option != 'f')
            return bh_fail(err, 0, "see bulkhead --help");
        if (verb_format(optarg, &json, err) < 0)
            return -1;
    }
    state found = {0};
    cleanup_free pid_t *pids = NULL;
    const char *id = verb_id(argc, argv, 0, err);
    if (!id || open_grouped(s, id, "ps", &found, err) < 0)
        return -1;
    int count = cgroup_read_pids(found.cgroup_path, &pids, err);
    if (count < 0)
        return -1;
    if (!json)
        printf("%-8s %-8s %-10s %s\n", "PID", "PPID", "UID", "COMMAND");
    for (int i = 0; i < count && !json; i++)
        print_process(pids[i]);
    if (json) {
        for (int i = 0; i < count; i++)
            printf("%s%d", i ? "," : "[", pids[i]);
        puts(count ? "]" : "[]");
    }
    return 0;
}

// Each option of `update` as the field of `resources` that it stands for, so that there is one reader and one set of
// errors for both.
static const struct {
    const char *option, *group, *key;
    bool number;
} fields[] = {
    {"memory", "memory", "limit", true},
    {"memory-reservation", "memory", "reservation", true},
    {"memory-swap", "memory", "swap", true},
    {"pids-limit", "pids", "limit", true},
    {"cpu-quota", "cpu", "quota", true},
    {"cpu-period", "cpu", "period", true},
    {"cpu-share", "cpu", "shares", true},
    {"cpu-burst", "cpu", "burst", true},
    {"cpu-idle", "cpu", "idle", true},
    {"cpuset-cpus", "cpu", "cpus", false},
    {"cpuset-mems", "cpu", "mems", false},
    {"blkio-weight", "blockIO", "weight", true},
    {"cpu-rt-period", "cpu", "realtimePeriod", true},
    {"cpu-rt-runtime", "cpu", "realtimeRuntime", true},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static int add_field(json_t *resources, size_t field, const char *text, bh_error *err) {
    json_t *value = json_string(text);
    if (fields[field].number) {
        char *end;
        errno = 0;
        int64_t number = strtoll(text, &end, 10);
        json_decref(value);
        if (errno || !*text || *end)
            return bh_fail(err, 0, "--%s %s: wanted a number", fields[field].option, text);
        value = json_integer(number);
    }
    json_t *group = json_object_get(resources, fields[field].group);
    if (!group) {
        group = json_object();
        json_object_set_new(resources, fields[field].group, group);
    }
    return json_object_set_new(group, fields[field].key, value) < 0 ? bh_fail(err, ENOMEM, "cannot update") : 0;
}

// The options, on top of what --resources names ("-": standard input). A new reference in *resources.
static int parse_update(int argc, char **argv, json_t **resources, bh_error *err) {
    struct option options[FIELDS + 2] = {{0}};
    const char *values[FIELDS] = {0}, *file = NULL;
    for (size_t i = 0; i < FIELDS; i++)
        options[i] = (struct option){fields[i].option, required_argument, NULL, 256 + (int)i};
    options[FIELDS] = (struct option){"resources", required_argument, NULL, 'r'};
    for (int option; (option = getopt_long(argc, argv, "+r:", options, NULL)) != -1;) {
        if (option == 'r')
            file = optarg;
        else if (option >= 256)
            values[option - 256] = optarg;
        else
            return bh_fail(err, 0, "see bulkhead --help");
    }
    *resources = file ? json_read_file(file, err) : json_object();
    if (!*resources)
        return file ? bh_wrap(err, "--resources") : bh_fail(err, ENOMEM, "cannot update");
    if (!json_is_object(*resources))
        return bh_fail(err, 0, "--resources %s must hold an object", file);
    for (size_t i = 0; i < FIELDS; i++)
        if (values[i] && add_field(*resources, i, values[i], err) < 0)
            return -1;
    return 0;
}

// With checkBeforeUpdate: on v2 the kernel would make room by killing. (On v1 it refuses by itself.)
static int check_usage(const state *container, const config *wanted, bh_error *err) {
    cgroup_usage usage;
    int64_t limit = wanted->limits.memory_bytes;
    if (!wanted->check_memory || limit < 0 || limit == CGROUP_UNLIMITED)
        return 0;
    if (cgroup_read_usage(container->cgroup_path, &usage, err) < 0)
        return -1;
    return usage.memory_bytes <= limit
               ? 0
               : bh_fail(err, 0, "resources.memory.limit is %lld, and %lld bytes are used (checkBeforeUpdate)",
                         (long long)limit, (long long)usage.memory_bytes);
}

int verb_update(const settings *s, int argc, char **argv, bh_error *err) {
    static const char *const fixed[] = {"devices", NULL}; // what a container may open is settled when it is made
    cleanup_json json_t *resources = NULL;
    state found = {0};
    if (parse_update(argc, argv, &resources, err) < 0)
        return -1;
    const char *id = verb_id(argc, argv, 0, err);
    if (!id || open_grouped(s, id, "update", &found, err) < 0)
        return -1;
    config wanted = {.cgroup_path = found.cgroup_path};
    json_place at = {.object = resources, .path = "resources"};
    int result = json_refuse(&at, fixed, err);
    if (result == 0)
        result = config_check_fields(&at, "linux.resources", err);
    if (result == 0)
        result = config_parse_resources(&wanted, &at, err);
    if (result == 0)
        result = check_usage(&found, &wanted, err);
    if (result == 0)
        result = cgroup_set_limits(found.cgroup_path, &wanted.limits, err);
    if (result == 0)
        result = cgroup_apply(found.cgroup_path, wanted.settings, wanted.setting_count, err);
    config_free(&wanted);
    return result;
}
