// Virtual machines: which acceleration works here, and starting QEMU confined.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Where a VM's memory comes from, if it is not QEMU's own and empty.
typedef struct vm_memory {
    int ram;   // a memfd: the memory of a template, which its copies map privately (vm_template.h); -1: QEMU's own
    int state; // a file or socket from which a VM goes on that was saved, or is being moved (vm_move.h)
    bool copy; // the VM goes on from `state`, where a template boots
} vm_memory;

typedef struct vm_spec {
    const char *dir;       // <state>/run/machines/<id>, made by the caller; sockets, log and pid go here
    const char *image_dir; // <images>/vm: vmlinux, initrd.img, disk.img
    const char *hostname;
    const char *machine_id; // the record's id; also the QEMU -name
    int64_t memory_bytes;
    int cpus;
    uid_t uid; // QEMU's own
    gid_t gid;
    gid_t server_gid;        // may connect to link.sock
    const char *cgroup;      // made by the caller; QEMU is started inside it
    const char *accel;       // "kvm" or "tcg"
    const vm_memory *memory; // NULL: it boots in memory of its own
    bool selinux;            // the guest's kernel runs with SELinux, and its init with a policy
    const char *label;       // QEMU's own, on a host with SELinux; else empty
    struct vm_trace *trace;  // is told what has been done; NULL: nobody is
} vm_spec;

// Starts QEMU; returns once it runs (not once the guest has booted). *pid is QEMU's. link.sock accepts connections and
// console.log (bounded) is being written when this returns.
int vm_start(const vm_spec *spec, pid_t *pid, bh_error *err);

typedef struct vm_accel {
    char accel[8];    // "kvm", "tcg", or "" when no VM can be run at all
    char machine[16]; // "q35" or "microvm"
    char reason[256]; // one sentence for a person: what was tried and seen
} vm_accel;

// What a VM's beginning depends on, in one line: the host's kernel, QEMU and the image; its first word is the image's
// digest.
int vm_fingerprint(const char *image_dir, char *text, size_t size, bh_error *err);

// Boots the VM image with KVM under a time limit and reports what works; the finding is kept in <state>/accel.json,
// keyed by kernel, QEMU and image, and read back when nothing changed. `wish` is "auto", "kvm" or "tcg". Takes up to 15
// s and waits for all children of the calling process: for use in a job.
int vm_find_accel(const char *state_dir, const char *image_dir, const char *wish, vm_accel *found, bh_error *err);
