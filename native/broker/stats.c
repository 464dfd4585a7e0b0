// machine.stats: what a machine uses by its cgroup's account, and what the host pays for it by /proc's.
#include "broker/stats.h"

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

// Whoever looks does so twice a second.
#define UNWATCHED_MS 5000
// Descriptors are for more than this: machines beyond the first so many have their files opened each time.
#define METERINGS_MAX 512

// Proportional set size: a page that N processes share counts as 1/N in each (proc_pid_smaps(5)). 0 for a process that
// has just ended.
static int64_t pss_bytes(pid_t pid) {
    char path[64], text[4096];
    bh_error err;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    if (fs_read(AT_FDCWD, path, text, sizeof text, &err) < 0)
        return 0;
    int64_t kilobytes = stats_number_after(text, "\nPss:");
    return kilobytes > 0 ? kilobytes * 1024 : 0;
}

void stats_forget(machine *m) {
    if (!m->metering)
        return;
    cgroup_meter_close(&m->metering->meter);
    cgroup_meter_close(&m->metering->box);
    free(m->metering);
    m->metering = NULL;
}

static size_t close_unwatched(broker *b) {
    size_t open = 0;
    for (machine *m = b->machines; m; m = m->next) {
        if (m->metering && loop_now_ms() - m->metering->read_ms >= UNWATCHED_MS)
            stats_forget(m);
        open += m->metering != NULL;
    }
    return open;
}

static void look_for_unwatched(loop_timer *timer) {
    broker *b = (broker *)((char *)timer - offsetof(broker, stats_timer));
    if (close_unwatched(b) > 0)
        loop_timer_start(b->loop, timer, UNWATCHED_MS);
}

static void watch_for_unwatched(broker *b) {
    b->stats_timer.fire = look_for_unwatched;
    if (b->stats_timer.deadline_ms == 0)
        loop_timer_start(b->loop, &b->stats_timer, UNWATCHED_MS);
}

static int open_metering(machine *m, metering *made, bh_error *err) {
    state_name group = machine_cgroup(m->broker, m->id), box;
    *made = (metering){0};
    if (cgroup_meter_open(&made->meter, group.text, err) < 0)
        return -1;
    bh_error ignored; // it has none until it is made
    snprintf(box.text, sizeof box.text, "%.180s/box", group.text);
    if (m->kind == MACHINE_CONTAINER && cgroup_version() == 2 && !cgroup_counts_refusals_below(group.text))
        cgroup_meter_open(&made->box, box.text, &ignored);
    return 0;
}

static int read_metering(metering *from, cgroup_usage *usage, bh_error *err) {
    cgroup_usage box;
    bh_error ignored;
    if (cgroup_meter_read(&from->meter, usage, err) < 0)
        return -1;
    if (cgroup_meter_read(&from->box, &box, &ignored) == 0 && box.pids_refusals > 0)
        usage->pids_refusals += box.pids_refusals;
    from->read_ms = loop_now_ms();
    return 0;
}

// By what is open already, or is from now on.
static int read_usage(machine *m, cgroup_usage *usage, bh_error *err) {
    metering *kept = m->metering, once;
    if (kept && read_metering(kept, usage, err) == 0)
        return 0;
    stats_forget(m); // made anew meanwhile: its group is another
    if (open_metering(m, &once, err) < 0)
        return -1;
    int outcome = read_metering(&once, usage, err);
    bool room = outcome == 0 && close_unwatched(m->broker) < METERINGS_MAX;
    if (room && (m->metering = malloc(sizeof once))) {
        *m->metering = once;
        watch_for_unwatched(m->broker);
        return 0;
    }
    cgroup_meter_close(&once.meter);
    cgroup_meter_close(&once.box);
    return outcome;
}

static json_t *known(int64_t value) {
    return value < 0 ? json_null() : json_integer(value);
}

// Null, and why, where the kernel counts none for a group.
static void describe_pressure(json_t *counts, const cgroup_usage *usage, bool group) {
    static const char *const names[CGROUP_RESOURCES] = {
        [CGROUP_CPU] = "cpu", [CGROUP_MEMORY] = "memory", [CGROUP_IO] = "io"};
    json_t *all = json_object();
    bool found = false;
    for (size_t i = 0; i < CGROUP_RESOURCES; i++) {
        const cgroup_pressure *one = &usage->pressure[i];
        found |= one->some >= 0;
        json_object_set_new(all, names[i], json_pack("{s:o, s:o}", "some", known(one->some), "full", known(one->full)));
    }
    const char *missing = group && cgroup_version() == 1 ? "control groups v1 have no pressure of their own"
                                                         : "this kernel does not count pressure (psi=1 has it do so)";
    json_object_set_new(counts, "pressure", found ? json_incref(all) : json_null());
    json_object_set_new(counts, "pressure_missing", found ? json_null() : json_string(missing));
    json_decref(all);
}

static json_t *describe(const cgroup_usage *usage, int64_t total_bytes) {
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"memory_total_bytes", total_bytes},
        {"memory_bytes", usage->memory_bytes},
        {"memory_peak_bytes", usage->memory_peak_bytes},
        {"memory_anon_bytes", usage->memory_anon_bytes},
        {"memory_file_bytes", usage->memory_file_bytes},
        {"memory_kernel_bytes", usage->memory_kernel_bytes},
        {"oom_kills", usage->oom_kills},
        {"cpu_usec", usage->cpu_usec},
        {"periods", usage->periods},
        {"throttled_periods", usage->throttled_periods},
        {"throttled_usec", usage->throttled_usec},
        {"pids", usage->pids},
        {"pids_limit", usage->pids_limit},
        {"pids_refusals", usage->pids_refusals},
        {"read_bytes", usage->read_bytes},
        {"written_bytes", usage->written_bytes},
        {"reads", usage->reads},
        {"writes", usage->writes},
    };
    json_t *counts = json_object();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(counts, numbers[i].name, known(numbers[i].value));
    json_object_set_new(counts, "host", json_null());
    return counts;
}

// A few small files, in less time than a fork takes.
static int count(machine *m, json_t **counts, bh_error *err) {
    cgroup_usage usage;
    int64_t total_bytes = m->limits.memory_bytes;
    bool group = !machine_is_self(m);
    if ((group ? read_usage(m, &usage, err) : stats_of_guest(&usage, &total_bytes, err)) < 0)
        return -1;
    if (usage.oom_kills >= 0)
        usage.oom_kills += m->exec_oom_kills;
    if (usage.pids_refusals >= 0)
        usage.pids_refusals += m->exec_pids_refusals;
    *counts = describe(&usage, total_bytes);
    describe_pressure(*counts, &usage, group);
    return 0;
}

// What the host pays: every process in the machine's group, and its monitors, which are outside.
static int host_cost(const machine *m, json_t **cost, bh_error *err) {
    cleanup_free pid_t *pids = NULL;
    int processes = cgroup_read_pids(machine_cgroup(m->broker, m->id).text, &pids, err);
    if (processes < 0)
        return -1;
    pid_t monitors[TERMINALS_PER_MACHINE];
    size_t monitor_count = terminals_monitors(m, monitors, TERMINALS_PER_MACHINE);
    int64_t bytes = 0;
    for (int i = 0; i < processes; i++)
        bytes += pss_bytes(pids[i]);
    for (size_t i = 0; i < monitor_count; i++)
        bytes += pss_bytes(monitors[i]);
    *cost = json_pack("{s:I, s:I}", "processes", (json_int_t)((size_t)processes + monitor_count), "pss_bytes",
                      (json_int_t)bytes);
    return 0;
}

// A question whose answer waits for a job.
typedef struct costing {
    request *request;
    json_t *counts;
} costing;

static int cost_body(void *argument, json_t **result, bh_error *err) {
    const request *r = ((const costing *)argument)->request;
    // In the job: the list as it was when the job began.
    return host_cost(broker_find(r->broker, r->machine), result, err);
}

static void cost_done(void *argument, json_t *result, const bh_error *err) {
    costing *c = argument;
    if (result) {
        json_object_set(c->counts, "host", result);
        request_answer(c->request, json_incref(c->counts));
    } else {
        request_fail(c->request, err);
    }
    json_decref(c->counts);
    free(c);
}

void machine_stats(request *r) {
    bh_error err;
    json_t *counts;
    machine *m = request_machine(r);
    if (!m)
        return;
    if (count(m, &counts, &err) < 0) {
        request_fail(r, &err);
        return;
    }
    bool unwanted = json_is_false(json_object_get(r->params, "host"));
    if (unwanted || machine_is_self(m) || r->broker->config.guest) {
        request_answer(r, counts);
        return;
    }
    // In a job: the page tables of a VM take milliseconds to add up, and others are waiting.
    costing *c = calloc(1, sizeof *c);
    if (c)
        *c = (costing){r, counts};
    if (c && job_start(r->broker->loop, cost_body, cost_done, c, &err) == 0)
        return;
    if (!c)
        bh_fail(&err, ENOMEM, "cannot add up what machine %s costs", m->id);
    json_decref(counts);
    free(c);
    request_fail(r, &err);
}
