// CVE-2019-5736: a container's program that is a link or a script naming /proc/self/exe makes the runtime exec itself
// inside, where another process opens /proc/<pid>/exe for writing and overwrites the host's runtime. Here that file
// lies on a read-only mount that belongs to no mount namespace, so nobody can remount it. A copy in a sealed memfd,
// the usual answer, costs reading and writing 2 MB at each start; this costs the second exec only.
#include "runtime/seal.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

int seal_own_binary(char **argv, bh_error *err) {
    struct statvfs info;
    // Before there is a child that a process inside could see: what is not dumpable cannot be traced, nor its fds
    // and memory read through /proc (proc(5)). exec resets it, so the second run does it again.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot forbid tracing");
    if (statvfs("/proc/self/exe", &info) < 0)
        return bh_fail(err, errno, "cannot look at /proc/self/exe");
    if (info.f_flag & ST_RDONLY)
        return 0;
    cleanup_fd int binary = open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (binary < 0 || mount_setattr(binary, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot make a read-only mount of the runtime's binary (is this root?)");
    execveat(binary, "", argv, environ, AT_EMPTY_PATH);
    return bh_fail(err, errno, "cannot run the runtime's binary from a read-only mount");
}
