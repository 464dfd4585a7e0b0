// vm.create: QEMU in a cgroup and with a user id of its own. How it is started: vm.c.
#include "broker/guest_vm.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "broker/create.h"
#include "broker/ids.h"
#include "broker/images.h"
#include "broker/methods.h"
#include "broker/template.h"
#include "broker/vm_template.h"
#include "broker/vm_trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// What QEMU needs beside the guest's RAM: its code, device models, and under emulation the translated code.
#define QEMU_OVERHEAD_BYTES ((int64_t)256 * 1024 * 1024)
#define QEMU_TASKS 64
#define MIB ((int64_t)1024 * 1024)
// A quarter of a container's share where they compete: a kernel that boots for seconds is not noticeably later for it,
// a shell that would have answered in milliseconds is.
#define VM_CPU_WEIGHT 25

int guest_vm_key(const machine *m, char *key, size_t size, bh_error *err) {
    char image_dir[PATH_MAX], found[512];
    snprintf(image_dir, sizeof image_dir, "%s/%s", m->broker->config.images_dir, m->image);
    if (vm_fingerprint(image_dir, found, sizeof found, err) < 0)
        return -1;
    snprintf(key, size, "%s %lld bytes, cpu %lld%s", found, (long long)m->limits.memory_bytes,
             (long long)m->limits.cpu_millis, m->selinux ? ", selinux" : "");
    return 0;
}

int guest_vm_describe(const machine *m, vm_plan *plan, bh_error *err) {
    const broker *b = m->broker;
    const broker_config *config = &b->config;
    plan->dir = machine_dir(b, m->id);
    plan->cgroup = machine_cgroup(b, m->id);
    snprintf(plan->image_dir, sizeof plan->image_dir, "%s/%s", config->images_dir, m->image);
    // At once when it was found out before; else this is the first VM, and waits for it.
    if (vm_find_accel(config->state_dir, plan->image_dir, config->accel, &plan->accel, err) < 0)
        return -1;
    if (!*plan->accel.accel)
        return bh_fail(err, ENOTSUP, "no VM can be run here (%s)", plan->accel.reason);
    uid_t id = slot_service_id(config->id_base, m->slot);
    plan->spec = (vm_spec){
        .dir = plan->dir.text,
        .image_dir = plan->image_dir,
        .hostname = m->hostname,
        .machine_id = m->id,
        .memory_bytes = m->limits.memory_bytes,
        .cpus = (int)((m->limits.cpu_millis + 999) / 1000),
        .uid = id,
        .gid = id,
        .server_gid = config->server_gid,
        .cgroup = plan->cgroup.text,
        .accel = plan->accel.accel,
        .selinux = m->selinux,
        .label = m->label,
    };
    return 0;
}

cgroup_limits guest_vm_limits(const machine *m, int count) {
    cgroup_limits limits = CGROUP_NO_LIMITS;
    limits.memory_bytes = count * (m->limits.memory_bytes + QEMU_OVERHEAD_BYTES);
    limits.pids = count * QEMU_TASKS;
    limits.cpu_quota_us = cpu_quota_us(m->limits.cpu_millis);
    limits.cpu_period_us = CPU_PERIOD_US;
    limits.cpu_weight = VM_CPU_WEIGHT;
    return limits;
}

int guest_vm_plan(const machine *m, vm_plan *plan, bh_error *err) {
    cgroup_limits limits = guest_vm_limits(m, 1);
    if (guest_vm_describe(m, plan, err) < 0 || machine_make_dir(m, err) < 0)
        return -1;
    return cgroup_create(plan->cgroup.text, &limits, err);
}

static int make_copy(machine *m, vm_plan *plan, pid_t *pid, bh_error *err) {
    __attribute__((cleanup(vm_memory_close))) vm_memory memory = {-1, -1, true};
    if (template_open(m->template, &memory, err) < 0)
        return -1;
    plan->spec.memory = &memory;
    vm_trace_step(plan->spec.trace, "map memory", "of the template, copied where it is written to");
    return vm_start(&plan->spec, pid, err) < 0 || vm_template_restore(&plan->spec, err) < 0 ||
                   vm_renew(&plan->spec, m->hostname, err) < 0
               ? -1
               : 0;
}

int guest_vm_make(machine *m, json_t **result, bh_error *err) {
    vm_plan plan;
    vm_trace trace;
    pid_t pid;
    vm_trace_begin(&trace);
    cleanup_json json_t *steps = trace.steps;
    if (guest_vm_plan(m, &plan, err) < 0)
        return -1;
    vm_trace_step(&trace, "prepare", "folder, cgroup, limits");
    plan.spec.trace = &trace;
    if ((m->template ? make_copy(m, &plan, &pid, err) : vm_start(&plan.spec, &pid, err)) < 0)
        return -1;
    *result = json_pack("{s:i, s:s, s:O}", "pid", (int)pid, "accel", plan.accel.accel, "trace", steps);
    return 0;
}

// What a VM can be given beyond the ordinary. False when it was refused.
static bool read_features(request *r, bool *selinux) {
    size_t i;
    json_t *feature;
    json_array_foreach(json_object_get(r->params, "features"), i, feature) {
        if (strcmp(json_string_value(feature), "selinux") != 0) {
            request_refuse(r, "bad_request", "features", "there is no feature \"%.32s\"; there is selinux",
                           json_string_value(feature));
            return false;
        }
        *selinux = true;
    }
    return true;
}

void vm_create(request *r) {
    const maxima *most = &r->broker->maxima;
    json_t *limits = json_object_get(r->params, "limits");
    bool selinux = false;
    if (r->broker->config.guest) {
        request_refuse(r, "unsupported", NULL, "this broker runs in a VM; it makes containers only");
        return;
    }
    if (!read_features(r, &selinux) || !within(r, limits, "memory_bytes", most->memory_bytes) ||
        !within(r, limits, "cpu_millis", most->cpu_millis) || !image_exists(r, "vm"))
        return;
    // QEMU is told in these, and a template's memory is of the very size that was asked for.
    if (params_integer(limits, "memory_bytes", 0) % MIB != 0) {
        request_refuse(r, "bad_request", "limits.memory_bytes", "limits.memory_bytes must be a multiple of %lld",
                       (long long)MIB);
        return;
    }
    machine *m = machine_begin(r, MACHINE_VM);
    if (!m)
        return;
    m->selinux = selinux;
    const char *start = params_string(r->params, "start");
    if (start && strcmp(start, "template") == 0)
        template_use(r, m);
    else
        machine_make(r, m, guest_vm_make);
}
