// The container's root: see rootfs.h.
#include "runtime/rootfs.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/mount_options.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

// linux.rootfsPropagation as MS_* flags; private when it says nothing.
static unsigned long root_propagation(const config *c) {
    return c->root_propagation ? mount_propagation(c->root_propagation) : MS_PRIVATE | MS_REC;
}

int rootfs_open(const config *c, bh_error *err) {
    // The overlay's lower layer must be one mount; a plain root brings along what is mounted below it.
    unsigned recursive = c->overlay_size > 0 ? 0 : (unsigned)AT_RECURSIVE;
    cleanup_fd int source = open_tree(AT_FDCWD, c->root_path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
    struct stat info;
    if (source < 0 || fstat(source, &info) < 0)
        return bh_fail(err, errno, "cannot open root.path %s", c->root_path);
    if (!S_ISDIR(info.st_mode))
        return bh_fail(err, ENOTDIR, "root.path %s", c->root_path);
    // The copy of a shared mount is its peer: what is mounted on it here would appear on the host.
    struct mount_attr attr = {.propagation = root_propagation(c) & (MS_SLAVE | MS_SHARED) ? MS_SLAVE : MS_PRIVATE};
    if (mount_setattr(source, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot keep root.path's mounts from the host");
    return take_fd(&source);
}

int rootfs_map_ids(int source, int proc_fd, pid_t pid, bh_error *err) {
    return mount_map_ids(source, false, proc_fd, pid, "root.path", err);
}

int rootfs_open_layer(const config *c, int *layer, bh_error *err) {
    *layer = -1;
    if (!c->overlay_layer)
        return 0;
    *layer = open_tree(AT_FDCWD, c->overlay_layer, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.propagation = MS_PRIVATE};
    if (*layer < 0 || mount_setattr(*layer, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot open annotations.dev.bulkhead.overlay.layer %s", c->overlay_layer);
    return 0;
}

// A tmpfs of the container's own user namespace, charged to its cgroup.
static int make_tmpfs(const config *c, bh_error *err) {
    char size[48], inodes[48];
    snprintf(size, sizeof size, "size=%" PRId64, c->overlay_size);
    snprintf(inodes, sizeof inodes, "nr_inodes=%" PRId64, c->overlay_inodes);
    const char *data[5] = {"mode=0755", size};
    size_t count = 2;
    if (c->overlay_inodes > 0)
        data[count++] = inodes;
    data[count] = c->mount_context;
    return mount_new("tmpfs", "bulkhead", data, MOUNT_ATTR_NODEV, err);
}

int rootfs_make_overlay(const config *c, int source, int layer, int *stage_out, bh_error *err) {
    static const char *const parts[] = {"lower", "upper", "work"};
    // Somewhere to stand while the layers are put together: it covers "/" of a mount namespace that is this process's
    // own, until rootfs_enter.
    cleanup_fd int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int stage = layer < 0 ? make_tmpfs(c, err) : fcntl(layer, F_DUPFD_CLOEXEC, 3);
    if (stage < 0 || mount_attach(stage, old_root, "a tmpfs for the upper layer", err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (mkdirat(stage, parts[i], 0755) < 0 && (layer < 0 || errno != EEXIST))
            return bh_fail(err, errno, "cannot prepare the overlay");
    cleanup_fd int lower = openat(stage, "lower", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mount_attach(source, lower, c->root_path, err) < 0)
        return -1;
    // Layers are given by name, and the names are ours: relative to the stage, whatever the host calls it.
    if (fchdir(stage) < 0)
        return bh_fail(err, errno, "cannot prepare the overlay");
    // In a user namespace overlayfs may keep its marks only in user.* attributes (kernel doc, overlayfs).
    const char *marks = c->namespaces & CLONE_NEWUSER ? "userxattr" : NULL;
    const char *data[6] = {"lowerdir=lower", "upperdir=upper", "workdir=work"};
    size_t count = 3;
    if (marks)
        data[count++] = marks;
    // All of it then has this label, whatever the image's files have; the layers below are the runtime's to reach.
    data[count] = c->mount_context;
    cleanup_fd int overlay = mount_new("overlay", "bulkhead", data, 0, err);
    if (overlay < 0)
        return -1;
    *stage_out = take_fd(&stage);
    return take_fd(&overlay);
}

int rootfs_make(const config *c, int source, int layer, int *stage, bh_error *err) {
    uint64_t start = trace_now();
    // Nothing mounted from here on may reach the host, whose mounts may be shared. Slave when the container wants to
    // see what the host mounts later, private otherwise.
    unsigned long wish = root_propagation(c);
    if (wish == 0)
        return bh_fail(err, 0, "linux.rootfsPropagation \"%s\" is not known", c->root_propagation);
    struct mount_attr attr = {.propagation = wish & (MS_SLAVE | MS_SHARED) ? MS_SLAVE : MS_PRIVATE};
    if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot keep the container's mounts from the host");
    trace_step("propagation", start, "every mount is private to the container");

    start = trace_now();
    bool overlay = c->overlay_size > 0;
    *stage = -1;
    cleanup_fd int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int root =
        overlay ? rootfs_make_overlay(c, source, layer, stage, err) : fcntl(source, F_DUPFD_CLOEXEC, 3);
    // On top of the old root, so that it is a mount point as pivot_root wants it.
    if (root < 0 && !overlay)
        return bh_fail(err, errno, "cannot take over root.path %s", c->root_path);
    if (root < 0 || mount_attach(root, old_root, c->root_path, err) < 0)
        return bh_wrap(err, "root");
    if (overlay)
        trace_step("root", start, "overlay of %s and a tmpfs of %" PRId64 " bytes", c->root_path, c->overlay_size);
    else
        trace_step("root", start, "%s", c->root_path);
    return take_fd(&root);
}

// Whether ".." of "/" stays in the root. It leads out if any mount was left on top of the new root, for a lookup of
// ".." follows what is mounted where it arrives.
static int check_no_way_up(int root, bh_error *err) {
    struct statx here, up;
    if (statx(root, "", AT_EMPTY_PATH, STATX_MNT_ID, &here) < 0 || statx(AT_FDCWD, "/..", 0, STATX_MNT_ID, &up) < 0)
        return bh_fail(err, errno, "cannot look at the new root");
    if (here.stx_mnt_id != up.stx_mnt_id)
        return bh_fail(err, 0, "the old root is still reachable from the new one");
    return 0;
}

// The overlay holds its layers; nobody else shall reach them, to write below it or to remount the tmpfs larger. They go
// with the old root, if they are below it and not on top, where an unmount would take only them. Each unmount waits
// until no processor can be looking at what it takes away (RCU), 0.2 ms on a machine at rest and more on a busy one.
static int leave_layers_behind(int stage, bh_error *err) {
    // A folder that every host has, and that nothing is looked up in any more.
    cleanup_fd int place = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place < 0 || move_mount(stage, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return bh_fail(err, errno, "cannot let go of the overlay's layers");
    return 0;
}

int rootfs_enter(const config *c, int root, int stage, bh_error *err) {
    uint64_t start = trace_now();
    if (c->root_readonly) {
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
        if (mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
            return bh_fail(err, errno, "cannot make the root read-only");
    }
    if (stage >= 0 && leave_layers_behind(stage, err) < 0)
        return -1;
    // pivot_root and not chroot: with the old root unmounted there is nothing left to break out to. With "." for both
    // no folder has to be made for the old root: it lies on top of the new one until it is detached (pivot_root(2)).
    if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return bh_fail(err, errno, "cannot pivot to the new root");
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return bh_fail(err, errno, "cannot let go of the old root");
    if (check_no_way_up(root, err) < 0)
        return -1;
    unsigned long wish = root_propagation(c);
    struct mount_attr attr = {.propagation = wish & ~(unsigned long)MS_REC};
    if (c->root_propagation && mount_setattr(AT_FDCWD, "/", wish & MS_REC ? AT_RECURSIVE : 0, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot set linux.rootfsPropagation %s", c->root_propagation);
    trace_step("pivot_root", start, "\".\" \".\", old root detached");
    return 0;
}
