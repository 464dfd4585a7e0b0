// CVE-2019-5736: a container's program that is a link or a script naming /proc/self/exe makes the runtime exec itself
// inside, where another process opens /proc/<pid>/exe for writing and overwrites the host's runtime. Here that file
// lies on a read-only mount that belongs to no mount namespace, so nobody can remount it. A copy in a sealed memfd,
// the usual answer, costs reading and writing 2 MB at each start; this costs the second exec only.
#include "runtime/seal.h"
#include "base/cleanup.h"
#include "runtime/descriptors.h"
#include "runtime/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

int seal_forbid_tracing(bh_error *err) {
    // exec resets it, so the second run does it again.
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? bh_fail(err, errno, "cannot forbid tracing") : 0;
}

static bool maps(const id_map *maps, size_t count, uint32_t host_id) {
    for (size_t i = 0; i < count; i++)
        if (host_id >= maps[i].host_id && host_id - maps[i].host_id < maps[i].size)
            return true;
    return false;
}

bool seal_is_needed(const config *c, const struct stat *binary) {
    // Who is in a user namespace that exists already, only its maker knows.
    bool own_ids = (c->namespaces & CLONE_NEWUSER) && !c->namespace_paths[namespace_kind("user")];
    return !own_ids || maps(c->uid_maps, c->uid_map_count, binary->st_uid) ||
           maps(c->gid_maps, c->gid_map_count, binary->st_gid) || (binary->st_mode & S_IWOTH);
}

int seal_own_binary(char **argv, int trace_fd, bh_error *err) {
    struct statvfs info;
    if (statvfs("/proc/self/exe", &info) < 0)
        return bh_fail(err, errno, "cannot look at /proc/self/exe");
    if (info.f_flag & ST_RDONLY)
        return descriptors_close_on_exec(err);
    cleanup_fd int binary = open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (binary < 0 || mount_setattr(binary, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot make a read-only mount of the runtime's binary (is this root?)");
    // The caller's fds go along as they are: --preserve-fds names some, and --log may be /proc/self/fd/3. Ours close.
    if (trace_fd >= 0)
        fcntl(trace_fd, F_SETFD, 0);
    execveat(binary, "", argv, environ, AT_EMPTY_PATH);
    return bh_fail(err, errno, "cannot run the runtime's binary from a read-only mount");
}

int seal_for_container(const config *c, char **argv, int trace_fd, bh_error *err) {
    struct stat binary;
    if (stat("/proc/self/exe", &binary) < 0)
        return bh_fail(err, errno, "cannot look at /proc/self/exe");
    return seal_is_needed(c, &binary) ? seal_own_binary(argv, trace_fd, err) : descriptors_close_on_exec(err);
}
