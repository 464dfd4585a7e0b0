// `bulkhead events`: what a container uses, once (--stats) or again and again until it ends, a JSON object a line, with
// the fields of runc's that containerd's client reads.
#include "base/cgroup_meter.h"
#include "base/cleanup.h"
#include "runtime/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { INTERVAL_S = 5, INTERVAL_MAX_S = 3600 };

// A number that this host cannot tell (-1) is left out: 0 would be a claim.
static void set_known(json_t *object, const char *key, int64_t value) {
    if (value >= 0)
        json_object_set_new(object, key, json_integer(value));
}

static void print_event(const char *type, const char *id, json_t *data) {
    cleanup_json json_t *event = json_pack("{s:s, s:s, s:o*}", "type", type, "id", id, "data", data);
    json_dumpf(event, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout); // to a pipe, too, as it happens
}

// With what only a monitoring system asks for. Times are nanoseconds.
static json_t *stats_of(const cgroup_usage *usage) {
    json_t *cpu = json_object(), *throttling = json_object(), *memory = json_object(), *kernel = json_object(),
           *pids = json_object();
    const struct {
        json_t *part;
        const char *name;
        int64_t value, scale;
    } numbers[] = {
        {cpu, "total", usage->cpu_usec, 1000},
        {cpu, "user", usage->cpu_user_usec, 1000},
        {cpu, "kernel", usage->cpu_system_usec, 1000},
        {throttling, "periods", usage->periods, 1},
        {throttling, "throttledPeriods", usage->throttled_periods, 1},
        {throttling, "throttledTime", usage->throttled_usec, 1000},
        {memory, "usage", usage->memory_bytes, 1},
        {memory, "max", usage->memory_peak_bytes, 1},
        {memory, "limit", usage->memory_limit_bytes, 1},
        {memory, "failcnt", usage->memory_refusals, 1},
        {kernel, "usage", usage->memory_kernel_bytes, 1},
        {pids, "current", usage->pids, 1},
        {pids, "limit", usage->pids_limit, 1},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        set_known(numbers[i].part, numbers[i].name, numbers[i].value < 0 ? -1 : numbers[i].value * numbers[i].scale);
    return json_pack("{s:{s:o, s:o}, s:{s:o, s:o}, s:o}", "cpu", "usage", cpu, "throttling", throttling, "memory",
                     "usage", memory, "kernel", kernel, "pids", pids);
}

// "5", "5s" and "500ms", as Go's durations begin. Milliseconds, or -1.
static int parse_interval(const char *text) {
    char unit[4] = "";
    unsigned number = 0;
    int end = 0;
    if (sscanf(text, "%u%3[a-z]%n", &number, unit, &end) < 1 || number == 0 || number > INTERVAL_MAX_S * 1000 ||
        (unit[0] && text[end]))
        return -1;
    if (strcmp(unit, "ms") == 0)
        return (int)number;
    return (!unit[0] || strcmp(unit, "s") == 0) && number <= INTERVAL_MAX_S ? (int)number * 1000 : -1;
}

// Until the container's first process has ended.
static int follow(const state *container, int interval_ms, bh_error *err) {
    int64_t oom_kills = 0;
    cleanup_fd int process = state_open_process(container, err);
    struct pollfd ended = {.fd = process, .events = POLLIN};
    bool over = false;
    for (bool first = true; process >= 0; first = false) {
        cgroup_usage usage;
        bh_error gone = {0};
        if (cgroup_read_usage(container->cgroup_path, &usage, &gone) < 0)
            return 0; // deleted meanwhile
        if (!over)
            print_event("stats", container->id, stats_of(&usage));
        if (!first && usage.oom_kills > oom_kills)
            print_event("oom", container->id, NULL);
        if (over)
            return 0;
        oom_kills = usage.oom_kills;
        // Once more after its end, which may be what the kernel killed it for.
        over = poll(&ended, 1, interval_ms) > 0;
    }
    return -1;
}

int verb_events(const settings *s, int argc, char **argv, bh_error *err) {
    static const struct option options[] = {
        {"stats", no_argument, NULL, 's'}, {"interval", required_argument, NULL, 'i'}, {NULL, 0, NULL, 0}};
    bool once = false;
    int interval_ms = INTERVAL_S * 1000;
    for (int option; (option = getopt_long(argc, argv, "+i:", options, NULL)) != -1;) {
        if (option != 's' && option != 'i')
            return bh_fail(err, 0, "see bulkhead --help");
        once |= option == 's';
        if (option == 'i' && (interval_ms = parse_interval(optarg)) < 0)
            return bh_fail(err, 0, "--interval %s: wanted seconds, such as 5 or 500ms, up to an hour", optarg);
    }
    state found = {0};
    const char *id = verb_id(argc, argv, 0, err);
    cleanup_fd int dir = id ? state_open_dir(s->root, id, err) : -1;
    if (dir < 0 || state_load(dir, id, &found, err) < 0)
        return -1;
    state_free(&found);
    if (!found.cgroup_path[0])
        return bh_fail(err, 0, "events needs linux.cgroupsPath, which container %s has not", id);
    if (!once)
        return follow(&found, interval_ms, err);
    cgroup_usage usage;
    if (cgroup_read_usage(found.cgroup_path, &usage, err) < 0)
        return -1;
    print_event("stats", id, stats_of(&usage));
    return 0;
}
