// check: `bulkhead check` under limits of its own.
#include "broker/check.h"

#include "base/cgroup.h"
#include "base/cgroup_meter.h"
#include "base/cleanup.h"
#include "broker/exec_group.h"
#include "broker/ids.h"
#include "broker/job.h"
#include "broker/methods.h"
#include "broker/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KILL_TIMEOUT_MS 20000
#define MIB ((int64_t)1024 * 1024)

// Beside the machines' and not within the one it looks at. Where a learner could take a check's memory or processes
// away, its tools would fail when the learner wants, and `! grep` takes a grep that was killed for a no.
static const cgroup_limits of_a_check = {
    .memory_bytes = 128 * MIB,
    .pids = 64,
    .cpu_quota_us = CPU_PERIOD_US,
    .cpu_period_us = CPU_PERIOD_US,
    .cpu_weight = -1,
    .cpu_shares = -1,
};

static state_name group_of_checks(const broker *b) {
    state_name name;
    snprintf(name.text, sizeof name.text, "%.120s/checks", b->config.cgroup_parent);
    return name;
}

int checks_clear(const broker *b, bh_error *err) {
    state_name all = group_of_checks(b);
    cleanup_free pid_t *left = NULL;
    int count = cgroup_read_pids(all.text, &left, err);
    if (count < 0 || (count > 0 && cgroup_kill_all(all.text, KILL_TIMEOUT_MS, err) < 0))
        return -1;
    return cgroup_delete(all.text, err);
}

typedef struct checking {
    request *request;
    bool direct;
    uid_t user;
    char rootfs[PATH_MAX];
    state_name group;
} checking;

static int make_group(checking *c, bh_error *err) {
    uint32_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return bh_fail(err, errno, "cannot name a group");
    snprintf(c->group.text, sizeof c->group.text, "%.140s/%08x", group_of_checks(c->request->broker).text, number);
    return cgroup_create(c->group.text, &of_a_check, err);
}

static int run(const checking *c, json_t **answer, bh_error *err) {
    const request *r = c->request;
    state_name runtime = program(r->broker, "bulkhead"), root = runtime_root(r->broker);
    char user[16];
    snprintf(user, sizeof user, "%u", c->user);
    const char *argv[] = {runtime.text, "--root",          root.text,
                          "--log",      "/proc/self/fd/3", "--log-format",
                          "json",       "check",           "--image",
                          c->rootfs,    "--user",          user,
                          "--cgroup",   c->group.text,     c->direct ? "--self" : r->machine,
                          NULL};
    json_t *script = json_object_get(r->params, "script");
    process_spec spec = {
        .argv = (char *const *)(uintptr_t)argv,
        .input = json_string_value(script),
        .input_length = json_string_length(script),
        .output_max = (size_t)params_integer(r->params, "max_output_bytes", 0),
        .timeout_ms = params_integer(r->params, "timeout_ms", 0),
        .cgroup = c->group.text,
    };
    return exec_by_runtime(&spec, answer, err);
}

static int check_body(void *argument, json_t **answer, bh_error *err) {
    checking *c = argument;
    int outcome = make_group(c, err) < 0 ? -1 : run(c, answer, err);
    cgroup_usage usage;
    bh_error kept;
    bool starved = cgroup_read_usage(c->group.text, &usage, &kept) == 0 && usage.oom_kills > 0;
    if (outcome == 0)
        json_object_set_new(*answer, "out_of_memory", json_boolean(starved));
    // All that it started ends with it: what went on could write to nobody, and look at nothing any more.
    if (cgroup_kill_all(c->group.text, KILL_TIMEOUT_MS, &kept) == 0)
        cgroup_delete(c->group.text, &kept);
    return outcome;
}

static void check_done(void *argument, json_t *result, const bh_error *err) {
    checking *c = argument;
    if (result)
        request_answer(c->request, json_incref(result));
    else
        request_fail(c->request, err);
    free(c);
}

void check(request *r) {
    machine *m = request_machine_to_enter(r);
    if (!m)
        return;
    const broker_config *config = &r->broker->config;
    checking *c = calloc(1, sizeof *c);
    bh_error err;
    if (c) {
        *c = (checking){.request = r, .direct = machine_is_self(m), .user = slot_service_id(config->id_base, m->slot)};
        // A guest's own programs are those of its disk, which is the base image (decision 003).
        snprintf(c->rootfs, sizeof c->rootfs, "%s/%s/rootfs", config->images_dir, c->direct ? "base" : m->image);
        if (job_start(r->broker->loop, check_body, check_done, c, &err) == 0)
            return;
    } else {
        bh_fail(&err, ENOMEM, "cannot run a check");
    }
    free(c);
    request_fail(r, &err);
}
