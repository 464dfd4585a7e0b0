// QEMU's confinement: see vm_jail.h.
#include "broker/vm_jail.h"

#include "base/cgroup.h"
#include "broker/vm_command.h"
#include "broker/vm_seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OPEN_FILES_MAX 256
// What QEMU writes beside a VM's memory into a snapshot: the state of its devices, and eight bytes for every page.
#define SAVED_STATE_BYTES ((rlim_t)64 * 1024 * 1024)

// `path` of the host, read-only, at the same path (or `as`) below the current directory, which becomes the root.
static int show(const char *path, const char *as, bh_error *err) {
    if (mkdir(as, 0755) < 0)
        return bh_fail(err, errno, "cannot make /%s for QEMU", as);
    if (mount(path, as, NULL, MS_BIND | MS_REC, NULL) < 0)
        return bh_fail(err, errno, "cannot show %s to QEMU", path);
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    // Recursive: a remount would leave the mounts below it as they are.
    if (mount_setattr(AT_FDCWD, as, AT_RECURSIVE, &attributes, sizeof attributes) < 0)
        return bh_fail(err, errno, "cannot make %s read-only for QEMU", path);
    return 0;
}

// /lib, /lib64 and so on: links into /usr on every system this runs on since the /usr merge, else directories.
static int show_libraries(bh_error *err) {
    static const char *const names[] = {"lib", "lib32", "lib64"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[16], target[PATH_MAX];
        snprintf(path, sizeof path, "/%s", names[i]);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length >= 0) {
            target[length] = '\0';
            if (symlink(target, names[i]) < 0)
                return bh_fail(err, errno, "cannot link /%s for QEMU", names[i]);
        } else if (errno == EINVAL && show(path, names[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int make_device(const char *name, unsigned int major, unsigned int minor, uid_t owner, mode_t mode,
                       bh_error *err) {
    if (mknod(name, S_IFCHR | mode, makedev(major, minor)) < 0 || chown(name, owner, owner) < 0 ||
        chmod(name, mode) < 0)
        return bh_fail(err, errno, "cannot make %s for QEMU", name);
    return 0;
}

static int make_devices(const vm_spec *spec, bh_error *err) {
    if (mkdir("dev", 0755) < 0)
        return bh_fail(err, errno, "cannot make /dev for QEMU");
    if (make_device("dev/null", 1, 3, 0, 0666, err) < 0 || make_device("dev/urandom", 1, 9, 0, 0444, err) < 0)
        return -1;
    // A node of its own rather than the host's group kvm: only this process can reach it, and only this device.
    if (strcmp(spec->accel, "kvm") == 0)
        return make_device("dev/kvm", 10, 232, spec->uid, 0600, err);
    return 0;
}

// The new root is an empty file system in memory mounted on the VM's own directory, which has no other use in here.
static int change_root(const vm_spec *spec, bh_error *err) {
    // Nothing mounted from here on may reach the host.
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return bh_fail(err, errno, "cannot make mounts private");
    if (mount("qemu", spec->dir, "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,mode=755") < 0 || chdir(spec->dir) < 0)
        return bh_fail(err, errno, "cannot make a root for QEMU on %s", spec->dir);
    if (show("/usr", "usr", err) < 0 || show_libraries(err) < 0 ||
        show(spec->image_dir, &VM_IMAGE_IN_JAIL[1], err) < 0 || make_devices(spec, err) < 0)
        return -1;
    // The only way to give a name to memory that has none. It shows QEMU nothing that it does not hold already.
    if (spec->memory && spec->memory->ram >= 0 && show("/proc/self/fd", &VM_FDS_IN_JAIL[1], err) < 0)
        return -1;
    // The old root is stacked under the new one and then let go: pivot_root(2), "pivot_root(".", ".")".
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return bh_fail(err, errno, "cannot enter QEMU's root");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL) < 0)
        return bh_fail(err, errno, "cannot make QEMU's root read-only");
    return 0;
}

static int limit_resources(const vm_spec *spec, bh_error *err) {
    // 1 and not 0: what a guest can make crash is not to start a program of the host's as root, which core_pattern may
    // name behind a bar (core(5)).
    static const struct rlimit no_core = {1, 1}, files = {OPEN_FILES_MAX, OPEN_FILES_MAX};
    // The only files that it is ever given to write to are its own snapshots. Who took it over may keep them open.
    const rlim_t most = (rlim_t)spec->memory_bytes + SAVED_STATE_BYTES;
    const struct rlimit file_size = {most, most};
    if (setrlimit(RLIMIT_CORE, &no_core) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0 ||
        setrlimit(RLIMIT_FSIZE, &file_size) < 0)
        return bh_fail(err, errno, "cannot limit QEMU");
    return 0;
}

static int drop_privilege(const vm_spec *spec, bh_error *err) {
    // Groups first: without root they can no longer be changed. With the user id all capabilities go (capabilities(7)).
    if (setgroups(0, NULL) < 0 || setresgid(spec->gid, spec->gid, spec->gid) < 0 ||
        setresuid(spec->uid, spec->uid, spec->uid) < 0)
        return bh_fail(err, errno, "cannot become user %u", spec->uid);
    // The broker's session keyring would be everybody's otherwise. A kernel without keys has nothing to share.
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
        return bh_fail(err, errno, "cannot give QEMU a session keyring of its own");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot set no_new_privs");
    return 0;
}

int vm_jail_enter(const vm_spec *spec, bh_error *err) {
    // The cgroup while its files can still be reached, the namespaces while still root.
    if (spec->cgroup && cgroup_join_self(spec->cgroup, err) < 0)
        return -1;
    if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
        return bh_fail(err, errno, "cannot make namespaces for QEMU");
    return change_root(spec, err) < 0 || limit_resources(spec, err) < 0 || drop_privilege(spec, err) < 0
               ? -1
               : vm_seccomp_load(err);
}
