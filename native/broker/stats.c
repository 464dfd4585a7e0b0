// machine.stats: what a machine uses by its cgroup's account, and what the host pays for it by /proc's.
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/job.h"
#include "broker/methods.h"
#include "broker/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The number after `key` in a file of "key: number" lines such as meminfo; -1 when it is not there, or larger than
// kilobytes can be counted in bytes.
static int64_t number_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    int64_t number = at ? strtoll(at + strlen(key), NULL, 10) : -1;
    return number >= 0 && number < INT64_MAX / 2048 ? number : -1;
}

// Proportional set size: a page that N processes share counts as 1/N in each (proc_pid_smaps(5)). 0 for a process that
// has just ended.
static int64_t pss_bytes(pid_t pid) {
    char path[64], text[4096];
    bh_error err;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    if (fs_read(AT_FDCWD, path, text, sizeof text, &err) < 0)
        return 0;
    int64_t kilobytes = number_after(text, "\nPss:");
    return kilobytes > 0 ? kilobytes * 1024 : 0;
}

static json_t *known(int64_t value) {
    return value < 0 ? json_null() : json_integer(value);
}

static json_t *describe(const cgroup_usage *usage, int64_t total_bytes, json_t *host) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "memory_total_bytes", known(total_bytes), "memory_bytes",
                     known(usage->memory_bytes), "memory_peak_bytes", known(usage->memory_peak_bytes), "cpu_usec",
                     known(usage->cpu_usec), "pids", known(usage->pids), "oom_kills", known(usage->oom_kills), "host",
                     host);
}

// What the host pays: every process in the machine's group, and its monitors, which are outside.
static int host_cost(const machine *m, json_t **cost, bh_error *err) {
    cleanup_free pid_t *pids = NULL;
    int count = cgroup_read_pids(machine_cgroup(m->broker, m->id).text, &pids, err);
    if (count < 0)
        return -1;
    pid_t monitors[TERMINALS_PER_MACHINE];
    size_t monitor_count = terminals_monitors(m, monitors, TERMINALS_PER_MACHINE);
    int64_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += pss_bytes(pids[i]);
    for (size_t i = 0; i < monitor_count; i++)
        bytes += pss_bytes(monitors[i]);
    *cost = json_pack("{s:I, s:I}", "processes", (json_int_t)((size_t)count + monitor_count), "pss_bytes",
                      (json_int_t)bytes);
    return 0;
}

// A guest about itself, by its whole kernel's account: it is alone in it. What its host pays, it cannot know.
static int guest_usage(cgroup_usage *usage, int64_t *total_bytes, bh_error *err) {
    char text[8192];
    *usage = (cgroup_usage){-1, -1, -1, -1, -1, -1};
    if (fs_read(AT_FDCWD, "/proc/meminfo", text, sizeof text, err) < 0)
        return -1;
    *total_bytes = number_after(text, "MemTotal:") * 1024;
    usage->memory_bytes = *total_bytes - number_after(text, "MemAvailable:") * 1024;
    if (fs_read(AT_FDCWD, "/proc/loadavg", text, sizeof text, err) < 0)
        return -1;
    const char *slash = strchr(text, '/'); // "0.00 0.01 0.05 1/64 123": running and existing tasks
    usage->pids = slash ? strtoll(slash + 1, NULL, 10) : -1;
    char line[256];
    cleanup_file FILE *stat = fopen("/proc/stat", "re");
    unsigned long long user, nice, system, idle, wait, irq, soft;
    if (stat && fgets(line, sizeof line, stat) &&
        sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq, &soft) == 7)
        usage->cpu_usec = (int64_t)((user + nice + system + irq + soft) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
    if (fs_read(AT_FDCWD, "/proc/vmstat", text, sizeof text, err) < 0)
        return -1;
    usage->oom_kills = number_after(text, "\noom_kill ");
    return 0;
}

static int count(const machine *m, bool cost, json_t **result, bh_error *err) {
    cgroup_usage usage;
    int64_t total_bytes = m->limits.memory_bytes;
    json_t *host = json_null();
    if (machine_is_self(m)) {
        if (guest_usage(&usage, &total_bytes, err) < 0)
            return -1;
    } else {
        if (cgroup_read_usage(machine_cgroup(m->broker, m->id).text, &usage, err) < 0)
            return -1;
        if (cost && host_cost(m, &host, err) < 0)
            return -1;
        if (usage.oom_kills >= 0)
            usage.oom_kills += m->exec_oom_kills;
    }
    *result = describe(&usage, total_bytes, host);
    return 0;
}

static int stats_body(void *argument, json_t **result, bh_error *err) {
    const request *r = argument;
    // In the job: the list as it was when the job began.
    return count(broker_find(r->broker, r->machine), true, result, err);
}

static void stats_done(void *argument, json_t *result, const bh_error *err) {
    if (result)
        request_answer(argument, json_incref(result));
    else
        request_fail(argument, err);
}

void machine_stats(request *r) {
    bh_error err;
    json_t *counts;
    const machine *m = request_machine(r);
    if (!m)
        return;
    bool unwanted = json_is_false(json_object_get(r->params, "host"));
    if (unwanted || machine_is_self(m) || r->broker->config.guest) {
        // A few small files, in less time than a fork takes.
        if (count(m, false, &counts, &err) < 0)
            request_fail(r, &err);
        else
            request_answer(r, counts);
        return;
    }
    // In a job: the page tables of a VM take milliseconds to add up, and others are waiting.
    if (job_start(r->broker->loop, stats_body, stats_done, r, &err) < 0)
        request_fail(r, &err);
}
