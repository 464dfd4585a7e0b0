// The command line of QEMU for one VM: which machine, which devices. What is not listed here is not in the guest.
#pragma once

#include "broker/vm.h"

// Descriptors that QEMU inherits, and where its files are inside its own root (vm_jail.h).
// The last two only where there is vm_spec.memory.
enum { VM_LINK_FD = 3, VM_QMP_FD = 4, VM_EVENTS_FD = 5, VM_RAM_FD = 6, VM_STATE_FD = 7 };
#define VM_FDS_IN_JAIL "/fds" // QEMU's own /proc/self/fd
#define VM_IMAGE_IN_JAIL "/image"
#define VM_QEMU "/usr/bin/qemu-system-x86_64"

enum { VM_ARGUMENTS_MAX = 64 };

typedef struct vm_command {
    char *argv[VM_ARGUMENTS_MAX + 1];
    char text[4096]; // what argv points into
    size_t used;
    int count;
} vm_command;

// "q35" or "microvm", by acceleration. Under emulation QEMU 7.2's microvm hung before the kernel's first message in 29
// of 172 boots, and q35 without hpet and vmport in none of 64; with KVM microvm is the smaller machine.
const char *vm_machine(const char *accel);

// Writes command->argv, NULL at its end. Refuses names that could begin another option, and machines too small to boot.
int vm_command_build(const vm_spec *spec, vm_command *command, bh_error *err);
