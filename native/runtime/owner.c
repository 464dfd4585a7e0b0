// Acting as the owner of a user namespace: see owner.h.
#include "runtime/owner.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Another effective id takes a process's death signal away (prctl(2), PR_SET_PDEATHSIG). Who asked to end with its
// parent, as the broker has asked for us, is to end with it all the same: a launch that went on alone would make a
// container of which nobody knows.
static int death_signal;
static pid_t parent;

static int restore_death_signal(bh_error *err) {
    if (death_signal == 0)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, death_signal) < 0)
        return bh_fail(err, errno, "cannot ask to end with whoever started this");
    return getppid() == parent ? 0 : bh_fail(err, 0, "whoever started this has ended meanwhile");
}

int owner_begin(uid_t owner, bh_error *err) {
    if (prctl(PR_GET_PDEATHSIG, &death_signal) < 0)
        return bh_fail(err, errno, "cannot read the death signal");
    parent = getppid();
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    // The saved id as well, for the child: cgroup v1 lets a process be moved by root and by who has its saved id.
    if (setresuid(0, owner, owner) < 0)
        return bh_fail(err, errno, "cannot act as user %u, the container's root", owner);
    setfsuid(0); // cgroups and /proc are root's
    // Effective capabilities went with the effective id; the permitted ones stay with the real one (capabilities(7)).
    if (syscall(SYS_capget, &header, data) < 0)
        return bh_fail(err, errno, "cannot read the runtime's capabilities");
    for (int word = 0; word < 2; word++)
        data[word].effective = data[word].permitted;
    return syscall(SYS_capset, &header, data) < 0 ? bh_fail(err, errno, "cannot keep the runtime's capabilities") : 0;
}

int owner_end(bh_error *err) {
    if (setresuid(0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot act as root again");
    return restore_death_signal(err);
}
