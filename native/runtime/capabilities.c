// Linux capabilities: see capabilities.h. The raw system calls, because libcap has no interface for some of it.
#include "runtime/capabilities.h"

#include "base/capability_names.h"
#include "runtime/log.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int capability_number(const char *name) {
    for (int i = 0; capability_names[i]; i++)
        if (strcmp(name, capability_names[i]) == 0)
            return i;
    return -1;
}

static void leave_out(const char *set, uint64_t *capabilities, uint64_t possible, const char *why) {
    for (size_t number = 0; capability_names[number]; number++)
        if (*capabilities & ~possible & 1ull << number)
            log_warning("process.capabilities%s: %s is left out, for %s", set, capability_names[number], why);
    *capabilities &= possible;
}

int capabilities_keep_possible(capability_sets *sets, bool own_ids, bh_error *err) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0)
        return bh_fail(err, errno, "cannot read the runtime's own capabilities");
    uint64_t own = own_ids ? UINT64_MAX : data[0].permitted | (uint64_t)data[1].permitted << 32;
    leave_out("", &sets->permitted, own, "the runtime itself has not got it");
    // What is missing there has been told.
    sets->effective &= own;
    sets->inheritable &= own;
    sets->ambient &= own;
    leave_out(".effective", &sets->effective, sets->permitted, "it is not permitted");
    leave_out(".inheritable", &sets->inheritable, sets->bounding, "the bounding set has not got it");
    leave_out(".ambient", &sets->ambient, sets->permitted & sets->inheritable, "it is not permitted and inheritable");
    return 0;
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
    for (unsigned long number = 0; capability_names[number]; number++)
        if ((sets->ambient & 1ull << number) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
            return bh_fail(err, errno, "cannot raise %s in process.capabilities.ambient (is it inheritable?)",
                           capability_names[number]);
    return 0;
}
