// container.create: writes the bundle, has `bulkhead` run it, and hands on the launch trace.
#include "broker/container.h"
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/checkpoint.h"
#include "broker/create.h"
#include "broker/end.h"
#include "broker/identity.h"
#include "broker/ids.h"
#include "broker/images.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/process.h"
#include "broker/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define CREATE_TIMEOUT_MS 20000

// The container's own group. On v2 it is one below the machine's: the learner of a nested container owns it, and may
// bring it into a state where no process can join it or a sibling of its processes; `exec` groups are out of that
// reach. The limits are on both, so that they hold for the sum and can be read inside. v1 has no such owners.
static int make_group(const machine *m, state_name *group, bh_error *err) {
    state_name machine_group = machine_cgroup(m->broker, m->id);
    bool unified = cgroup_version() == 2;
    snprintf(group->text, sizeof group->text, "%.180s%s", machine_group.text, unified ? "/box" : "");
    if (!unified)
        return 0; // the runtime makes it
    cgroup_limits limits = {
        .memory_bytes = m->limits.memory_bytes,
        .pids = m->limits.pids,
        .cpu_quota_us = cpu_quota_us(m->limits.cpu_millis),
        .cpu_period_us = CPU_PERIOD_US,
        .cpu_weight = -1,
    };
    return cgroup_create(machine_group.text, &limits, err);
}

int container_write_bundle(const machine *m, bh_error *err) {
    const broker *b = m->broker;
    state_name cgroup;
    if (make_group(m, &cgroup, err) < 0)
        return -1;
    char rootfs[PATH_MAX];
    snprintf(rootfs, sizeof rootfs, "%s/%s/rootfs", b->config.images_dir, m->image);
    state_name layer = machine_file(b, m->id, "layer");
    profile_spec spec = {
        .profile = m->profile,
        .hostname = m->hostname,
        .rootfs = rootfs,
        .cgroup = cgroup.text,
        .cgroup_version = cgroup_version(),
        .limits = m->limits,
        .label = m->label,
        .first_id = slot_container_id(b->config.id_base, m->slot),
        .layer = b->config.guest ? layer.text : NULL,
    };
    cleanup_json json_t *config = profile_config(&spec, err);
    cleanup_free char *text = config ? json_dumps(config, JSON_INDENT(2)) : NULL;
    if (!text)
        return config ? bh_fail(err, ENOMEM, "cannot write the configuration of %s", m->id) : -1;
    return fs_replace(AT_FDCWD, machine_file(b, m->id, "config.json").text, text, 0600, err);
}

// The runtime's trace (nanoseconds since some past moment, a JSON object a line) as docs/protocol.md has it
// (microseconds since the first step).
static json_t *read_trace(const char *text) {
    json_t *trace = json_array();
    json_int_t first = -1;
    while (text && *text) {
        cleanup_json json_t *line = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
        const char *step, *detail, *source;
        json_int_t start, end;
        if (json_unpack(line, "{s:s, s:I, s:I, s:s, s:s}", "step", &step, "start_ns", &start, "end_ns", &end, "detail",
                        &detail, "source", &source) == 0) {
            first = first < 0 || start < first ? start : first;
            json_array_append_new(trace, json_pack("{s:s, s:I, s:I, s:s, s:s}", "step", step, "start_us", start,
                                                   "end_us", end, "detail", detail, "source", source));
        }
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    size_t i;
    json_t *step;
    json_array_foreach(trace, i, step) {
        // Parent and container write to one pipe, so the first line need not be the first step: counted from the least.
        json_t *start = json_object_get(step, "start_us"), *end = json_object_get(step, "end_us");
        json_integer_set(start, (json_integer_value(start) - first) / 1000);
        json_integer_set(end, (json_integer_value(end) - first) / 1000);
    }
    return trace;
}

static int run_container(const machine *m, json_t **trace, bh_error *err) {
    const broker *b = m->broker;
    state_name runtime = program(b, "bulkhead"), root = runtime_root(b), bundle = machine_dir(b, m->id);
    state_name pid_file = machine_file(b, m->id, "pid");
    char id[33];
    memcpy(id, m->id, sizeof id);
    char *argv[] = {runtime.text, "--root",     root.text,     "--trace-fd", "3", "run", "--bundle",
                    bundle.text,  "--pid-file", pid_file.text, "--detach",   id,  NULL};
    process_spec spec = {
        .argv = argv, .output_max = 8192, .timeout_ms = broker_patience(b, CREATE_TIMEOUT_MS), .reports = true};
    process_result result;
    if (process_run(&spec, &result, err) < 0)
        return -1;
    int outcome = 0;
    if (result.exit_status != 0 || result.signal != 0) {
        char why[400];
        process_complaint(&result, why, sizeof why);
        outcome = bh_fail(err, result.timed_out ? ETIMEDOUT : 0, "cannot start container %s: %s", m->id, why);
        if (result.timed_out)
            err->code = ETIMEDOUT;
    } else {
        *trace = read_trace(result.report.bytes);
    }
    process_result_free(&result);
    return outcome;
}

int container_read_pid(const machine *m, bh_error *err) {
    char text[32];
    state_name path = machine_file(m->broker, m->id, "pid");
    if (fs_read(AT_FDCWD, path.text, text, sizeof text, err) < 0)
        return -1;
    int pid = atoi(text);
    return pid > 0 ? pid : bh_fail(err, 0, "%s holds no pid: %s", path.text, text);
}

int container_make(machine *m, json_t **result, bh_error *err) {
    cleanup_json json_t *trace = NULL;
    if (machine_make_dir(m, err) < 0 || (m->broker->config.guest && checkpoint_mount_layer(m, err) < 0) ||
        container_write_bundle(m, err) < 0 || run_container(m, &trace, err) < 0)
        return -1;
    int pid = container_read_pid(m, err);
    if (pid < 0)
        return -1;
    *result = json_pack("{s:i, s:O}", "pid", pid, "trace", trace);
    return 0;
}

static bool within_maxima(request *r, json_t *limits) {
    const maxima *most = &r->broker->maxima;
    return within(r, limits, "memory_bytes", most->memory_bytes) && within(r, limits, "pids", most->pids) &&
           within(r, limits, "disk_bytes", most->disk_bytes) && within(r, limits, "cpu_millis", most->cpu_millis);
}

void container_create(request *r) {
    const char *profile = params_string(r->params, "profile");
    json_t *limits = json_object_get(r->params, "limits");
    if (strcmp(profile, "nested") == 0 && !r->broker->config.guest && strcmp(r->broker->config.nesting, "vm") == 0) {
        request_refuse(r, "denied", "profile",
                       "nested containers are not made on this host's own kernel (--nesting vm): create a VM and make "
                       "the container inside it");
        return;
    }
    if (!within_maxima(r, limits) || !image_exists(r, "container"))
        return;
    machine *m = machine_begin(r, MACHINE_CONTAINER);
    if (!m)
        return;
    snprintf(m->profile, sizeof m->profile, "%s", profile);
    m->limits.pids = params_integer(limits, "pids", 0);
    m->limits.disk_bytes = params_integer(limits, "disk_bytes", 0);
    machine_make(r, m, container_make);
}
