// How a VM ended, from what was seen of it: a panic, an orderly end, and a QEMU that failed look alike from outside,
// for all of them end the process.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum end_cause {
    END_UNKNOWN,  // nobody saw
    END_PANIC,    // its kernel panicked
    END_POWEROFF, // it was powered off from inside
    END_REBOOT,   // it was restarted from inside
    END_EXIT,     // a container's first process exited
    END_CRASH,    // QEMU, or a container's first process, was killed or failed
    END_OOM,      // the host's kernel killed it for want of memory
} end_cause;

// As docs/protocol.md has it: "panic", "poweroff"…; and back, END_UNKNOWN for any other word.
const char *end_cause_name(end_cause cause);
end_cause end_cause_from(const char *name);

typedef struct vm_end_signs {
    bool panicked;        // the kernel told pvpanic
    const char *shutdown; // QEMU's reason for ending (vm_watch.h), or ""
    int status;           // QEMU's, as from waitpid; negative when it is not known
    bool oom;             // the kernel has killed in QEMU's cgroup
    const char *console;  // the end of what the guest printed
} vm_end_signs;

end_cause vm_end_cause(const vm_end_signs *seen);
// What the kernel said that it panics of, the last time it did, without control characters. False if nothing printed
// says that it panicked.
const char *vm_end_panic_at(const char *console); // where it says so, or NULL
bool vm_end_panic_words(const char *console, char *words, size_t size);

// What pid 1 of a guest says on its console before it ends the VM (guest/guest.c), for all of its ends are resets to
// QEMU.
#define VM_END_SAYS_POWEROFF "the guest was asked to power off"
#define VM_END_SAYS_REBOOT "the guest was asked to restart"
