// vm.create: QEMU in a cgroup and with a user id of its own. How it is started: vm.c.
#include "base/cgroup.h"
#include "broker/create.h"
#include "broker/ids.h"
#include "broker/images.h"
#include "broker/methods.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

// What QEMU needs beside the guest's RAM: its code, device models, and under emulation the translated code.
#define QEMU_OVERHEAD_BYTES ((int64_t)256 * 1024 * 1024)
#define QEMU_TASKS 64
// A quarter of a container's share where they compete: a kernel that boots for seconds is not noticeably later for it,
// a shell that would have answered in milliseconds is.
#define VM_CPU_WEIGHT 25

static int make_vm(machine *m, json_t **result, bh_error *err) {
    const broker *b = m->broker;
    const broker_config *config = &b->config;
    state_name dir = machine_dir(b, m->id), cgroup = machine_cgroup(b, m->id);
    char image_dir[PATH_MAX];
    snprintf(image_dir, sizeof image_dir, "%s/%s", config->images_dir, m->image);
    vm_accel found;
    // At once when it was found out before; else this is the first VM, and waits for it.
    if (vm_find_accel(config->state_dir, image_dir, config->accel, &found, err) < 0)
        return -1;
    if (!*found.accel)
        return bh_fail(err, ENOTSUP, "no VM can be run here (%s)", found.reason);

    cgroup_limits limits = CGROUP_NO_LIMITS;
    limits.memory_bytes = m->limits.memory_bytes + QEMU_OVERHEAD_BYTES;
    limits.pids = QEMU_TASKS;
    limits.cpu_quota_us = cpu_quota_us(m->limits.cpu_millis);
    limits.cpu_period_us = CPU_PERIOD_US;
    limits.cpu_weight = VM_CPU_WEIGHT;
    if (machine_make_dir(m, err) < 0 || cgroup_create(cgroup.text, &limits, err) < 0)
        return -1;

    uid_t id = slot_service_id(config->id_base, m->slot);
    vm_spec spec = {
        .dir = dir.text,
        .image_dir = image_dir,
        .hostname = m->hostname,
        .machine_id = m->id,
        .memory_bytes = m->limits.memory_bytes,
        .cpus = (int)((m->limits.cpu_millis + 999) / 1000),
        .uid = id,
        .gid = id,
        .server_gid = config->server_gid,
        .cgroup = cgroup.text,
        .accel = found.accel,
        .selinux = m->selinux,
        .label = m->label,
    };
    pid_t pid;
    if (vm_start(&spec, &pid, err) < 0)
        return -1;
    *result = json_pack("{s:i, s:s}", "pid", (int)pid, "accel", found.accel);
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
    machine *m = machine_begin(r, MACHINE_VM);
    if (!m)
        return;
    m->selinux = selinux;
    machine_make(r, m, make_vm);
}
