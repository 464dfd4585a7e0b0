// exec: a command without a terminal, under a time limit; for checks.
#include "base/cgroup.h"
#include "base/cgroup_meter.h"
#include "base/cleanup.h"
#include "broker/exec_group.h"
#include "broker/job.h"
#include "broker/methods.h"
#include "broker/process.h"
#include "broker/profile.h"
#include "broker/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ARGUMENTS_MAX 400

// The command is put into a group of its own, below the machine's: wherever its children go, a time-out finds them all.
int exec_group_make(const request *r, bool direct, state_name *group, bh_error *err) {
    uint32_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return bh_fail(err, errno, "cannot name a group");
    const char *parent = r->broker->config.cgroup_parent;
    if (direct)
        snprintf(group->text, sizeof group->text, "%.120s/exec-%08x", parent, number);
    else
        snprintf(group->text, sizeof group->text, "%.120s/%.32s/exec-%08x", parent, r->machine, number);
    return cgroup_create(group->text, &CGROUP_NO_LIMITS, err);
}

static json_t *describe(const process_result *result, int status, int signal) {
    return json_pack(
        "{s:i, s:i, s:b, s:b, s:o, s:o, s:I}", "status", status, "signal", signal, "timed_out", result->timed_out,
        "truncated", result->truncated, "stdout", utf8_to_json(result->out.bytes, result->out.length), "stderr",
        utf8_to_json(result->error.bytes, result->error.length), "duration_us", (json_int_t)result->duration_us);
}

// In the guest itself: the command as it is.
static int run_directly(const request *r, process_spec *spec, json_t **answer, bh_error *err) {
    cleanup_free char **command = params_strings(r->params, "command");
    process_result result;
    spec->argv = command;
    spec->envp = (char *const *)(uintptr_t)profile_environment;
    spec->cwd = "/root";
    spec->joins_cgroup = true;
    if (process_run(spec, &result, err) < 0)
        return -1;
    *answer = describe(&result, result.exit_status, result.signal);
    process_result_free(&result);
    return 0;
}

// The runtime reports a signal as a shell does. A program that exits with such a status of its own accord means the
// same.
static void split_status(int from_runtime, int *status, int *signal) {
    bool signalled = from_runtime > 128 && from_runtime <= 128 + 64;
    *signal = signalled ? from_runtime - 128 : 0;
    *status = signalled ? 0 : from_runtime;
}

int exec_by_runtime(process_spec *spec, json_t **answer, bh_error *err) {
    process_result result;
    spec->reports = true;
    if (process_run(spec, &result, err) < 0)
        return -1;
    int outcome = 0;
    if (result.report.length > 0 && !result.timed_out) {
        cleanup_json json_t *line = json_loads(result.report.bytes, JSON_DISABLE_EOF_CHECK, NULL);
        const char *why = json_string_value(json_object_get(line, "msg"));
        outcome = bh_fail(err, 0, "%s", why ? why : "the runtime could not run it");
    } else {
        int status, signal = result.signal;
        split_status(result.exit_status, &status, result.signal ? &(int){0} : &signal);
        *answer = describe(&result, status, signal);
    }
    process_result_free(&result);
    return outcome;
}

// In a container: `bulkhead exec`, which gives the command the same confinement as everything else there. What the
// runtime itself has to complain about comes in its log, apart from what the command prints.
static int run_in_container(const request *r, process_spec *spec, json_t **answer, bh_error *err) {
    state_name runtime = program(r->broker, "bulkhead"), root = runtime_root(r->broker);
    const char *argv[ARGUMENTS_MAX] = {runtime.text, "--root", root.text, "--log", "/proc/self/fd/3", "--log-format",
                                       "json",       "exec",   "--cwd",   "/root", "--user",          "0"};
    size_t count = 12;
    // From a group that the container does not see nothing can be moved into one that it has made. What is to do as a
    // shell of its learner does is therefore in the container's group, and a time-out then ends only the command
    // itself.
    if (!json_is_true(json_object_get(r->params, "as_learner"))) {
        argv[count++] = "--cgroup";
        argv[count++] = spec->cgroup;
    }
    for (size_t i = 0; profile_environment[i]; i++) {
        argv[count++] = "--env";
        argv[count++] = profile_environment[i];
    }
    argv[count++] = r->machine;
    cleanup_free char **command = params_strings(r->params, "command");
    for (size_t i = 0; command && command[i] && count + 1 < ARGUMENTS_MAX; i++)
        argv[count++] = command[i];
    argv[count] = NULL;

    spec->argv = (char *const *)(uintptr_t)argv;
    return exec_by_runtime(spec, answer, err);
}

typedef struct execution {
    request *request;
    bool direct;
    state_name group;
} execution;

static int exec_body(void *argument, json_t **answer, bh_error *err) {
    const execution *e = argument;
    const request *r = e->request;
    json_t *input = json_object_get(r->params, "stdin");
    process_spec spec = {
        .input = json_string_value(input),
        .input_length = json_string_length(input),
        .output_max = (size_t)params_integer(r->params, "max_output_bytes", 0),
        .timeout_ms = params_integer(r->params, "timeout_ms", 0),
        .cgroup = e->group.text,
    };
    int outcome = e->direct ? run_directly(r, &spec, answer, err) : run_in_container(r, &spec, answer, err);
    // v2 counts in the groups above as well, v1 only where the process was (memcg_memory_event).
    cgroup_usage usage;
    if (outcome == 0 && !cgroup_counts_refusals_below(e->group.text) &&
        cgroup_read_usage(e->group.text, &usage, err) == 0) {
        json_object_set_new(*answer, "oom_kills", json_integer(cgroup_version() == 1 ? usage.oom_kills : 0));
        json_object_set_new(*answer, "pids_refusals", json_integer(usage.pids_refusals));
    }
    // A daemon that the command left behind keeps the group, which then goes with the machine.
    cleanup_free pid_t *left = NULL;
    bh_error kept;
    if (cgroup_read_pids(e->group.text, &left, &kept) == 0)
        cgroup_delete(e->group.text, &kept);
    return outcome;
}

// -1, for what is not known, adds nothing.
static void add_and_remove(json_t *result, const char *key, int64_t *sum) {
    int64_t number = json_integer_value(json_object_get(result, key));
    if (sum && number > 0)
        *sum += number;
    if (result)
        json_object_del(result, key);
}

static void exec_done(void *argument, json_t *result, const bh_error *err) {
    execution *e = argument;
    machine *m = broker_find(e->request->broker, e->request->machine);
    add_and_remove(result, "oom_kills", m ? &m->exec_oom_kills : NULL);
    add_and_remove(result, "pids_refusals", m ? &m->exec_pids_refusals : NULL);
    if (result)
        request_answer(e->request, json_incref(result));
    else
        request_fail(e->request, err);
    free(e);
}

void exec(request *r) {
    machine *m = request_machine_to_enter(r);
    if (!m)
        return;
    bool direct = machine_is_self(m);
    execution *e = calloc(1, sizeof *e);
    bh_error err;
    if (e) {
        *e = (execution){.request = r, .direct = direct};
        if (exec_group_make(r, direct, &e->group, &err) == 0 &&
            job_start(r->broker->loop, exec_body, exec_done, e, &err) == 0)
            return;
    } else {
        bh_fail(&err, ENOMEM, "cannot run a command");
    }
    free(e);
    request_fail(r, &err);
}
