// Making a VM: QEMU in a cgroup and with a user id of its own.
#pragma once

#include "broker/state.h"

#include <limits.h>

// What QEMU is to be given. `spec` points into the rest, so a plan stays where it was made.
typedef struct vm_plan {
    state_name dir, cgroup;
    char image_dir[PATH_MAX];
    vm_accel accel;
    vm_spec spec;
} vm_plan;

// In a job: the machine's directory and cgroup, and what goes into them.
int guest_vm_plan(const machine *m, vm_plan *plan, bh_error *err);
// A machine_maker (create.h): boots the VM, or makes it a copy of m->template.
int guest_vm_make(machine *m, json_t **result, bh_error *err);
