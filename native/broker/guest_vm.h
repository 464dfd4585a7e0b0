// Making a VM: QEMU in a cgroup and with a user id of its own.
#pragma once

#include "base/cgroup.h"
#include "broker/state.h"

#include <limits.h>

// What QEMU is to be given. `spec` points into the rest, so a plan stays where it was made.
typedef struct vm_plan {
    state_name dir, cgroup;
    char image_dir[PATH_MAX];
    vm_accel accel;
    vm_spec spec;
} vm_plan;

// Everything that a VM must have in common with another to go on from where that was: host, QEMU, image, size,
// features. One line; its first word is the image's digest.
enum { VM_KEY_MAX = 640 };
int guest_vm_key(const machine *m, char *key, size_t size, bh_error *err);
// In a job: what QEMU is given for this machine; and the same with the machine's directory and cgroup made.
int guest_vm_describe(const machine *m, vm_plan *plan, bh_error *err);
int guest_vm_plan(const machine *m, vm_plan *plan, bh_error *err);
// The cgroup's limits for `count` QEMUs in it.
cgroup_limits guest_vm_limits(const machine *m, int count);
