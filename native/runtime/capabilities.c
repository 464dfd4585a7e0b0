// Linux capabilities: see capabilities.h. The raw system calls, because libcap has no interface for some of it.
#include "runtime/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};
_Static_assert(sizeof names / sizeof *names == CAP_CHECKPOINT_RESTORE + 1, "a name for each number");

int capability_number(const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return (int)i;
    return -1;
}

int capabilities_bound(const capability_sets *sets, bh_error *err) {
    // Until the kernel says there is no such number: it may know capabilities that this table does not.
    for (unsigned long number = 0; number < 64; number++) {
        if (number < 64 && (sets->bounding & 1ull << number))
            continue;
        if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) {
            if (errno == EINVAL)
                return 0;
            return bh_fail(err, errno, "cannot drop capability %lu from the bounding set", number);
        }
    }
    return 0;
}

int capabilities_apply(const capability_sets *sets, bh_error *err) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (int word = 0; word < 2; word++) {
        int shift = 32 * word;
        data[word].effective = (uint32_t)(sets->effective >> shift);
        data[word].permitted = (uint32_t)(sets->permitted >> shift);
        data[word].inheritable = (uint32_t)(sets->inheritable >> shift);
    }
    if (syscall(SYS_capset, &header, data) < 0)
        return bh_fail(err, errno, "cannot set the capabilities of process.capabilities");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot clear the ambient capabilities");
    for (unsigned long number = 0; number < sizeof names / sizeof *names; number++)
        if ((sets->ambient & 1ull << number) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
            return bh_fail(err, errno, "cannot raise %s in process.capabilities.ambient (is it inheritable?)",
                           names[number]);
    return 0;
}
