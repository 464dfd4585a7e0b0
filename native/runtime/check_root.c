// What a check sees as "/": see check_root.h and docs/decisions/007-a-check-stands-outside-and-looks-in.md.
#include "runtime/check_root.h"
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/devices.h"
#include "runtime/mount_options.h"
#include "runtime/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONLY_LOOK (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000 // Linux 5.14; glibc 2.34 does not know it
#endif

static const char *const folders[] = {"usr", "etc", "proc", "sys", "dev", "tmp", "run", "var", &CHECK_MACHINE[1]};
static const char *const of_image[] = {"usr", "etc"};
// As a Debian of today has them.
static const struct {
    const char *name, *target;
} links[] = {{"bin", "usr/bin"}, {"sbin", "usr/sbin"}, {"lib", "usr/lib"}, {"lib64", "usr/lib64"}};

static int open_whole_tree(bh_error *err) {
    cleanup_fd int tree = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_RECURSIVE);
    // Nothing in it is run, no device of it opened. And no link followed: a learner's /root/answer that leads to
    // /proc/self/cmdline holds every word that `grep WORD /machine/root/answer` was asked to look for.
    struct mount_attr attr = {.attr_set = ONLY_LOOK | MOUNT_ATTR_NOSYMFOLLOW, .propagation = MS_PRIVATE};
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot copy the machine's mounts");
    return take_fd(&tree);
}

int check_copy_machine(int init, int proc_fd, bh_error *err) {
    if (init < 0)
        return open_whole_tree(err);
    // Mounts can be copied only by who is in their namespace (open_tree(2)).
    cleanup_fd int own = openat(proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(init, CLONE_NEWNS) < 0)
        return bh_fail(err, errno, "cannot join the machine's mount namespace");
    cleanup_fd int tree = open_whole_tree(err);
    if (setns(own, CLONE_NEWNS) < 0)
        return bh_fail(err, errno, "cannot come back from the machine's mount namespace");
    return tree < 0 ? -1 : take_fd(&tree);
}

static int make_folders(int root, bh_error *err) {
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (mkdirat(root, folders[i], 0755) < 0)
            return bh_fail(err, errno, "cannot make /%s for a check", folders[i]);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlinkat(links[i].target, root, links[i].name) < 0)
            return bh_fail(err, errno, "cannot make /%s for a check", links[i].name);
    return 0;
}

static int attach_below(int root, const char *folder, int mount, bh_error *err) {
    cleanup_fd int target = openat(root, folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return target < 0 ? bh_fail(err, errno, "cannot open /%s", folder) : mount_attach(mount, target, folder, err);
}

// Straight from the image, which is the lower layer of every container and is written by none.
static int add_programs(int root, const char *image, bh_error *err) {
    cleanup_fd int from = open(image, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (from < 0)
        return bh_fail(err, errno, "cannot open the image %s", image);
    for (size_t i = 0; i < sizeof of_image / sizeof *of_image; i++) {
        cleanup_fd int copy = open_tree(from, of_image[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
        if (copy < 0 || mount_setattr(copy, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
            return bh_fail(err, errno, "cannot take /%s from the image %s", of_image[i], image);
        if (attach_below(root, of_image[i], copy, err) < 0)
            return -1;
    }
    return 0;
}

static int write_script(int root, const char *script, size_t length, bh_error *err) {
    // Closed before anything is forked: a program that somebody has open to write cannot be run (ETXTBSY).
    cleanup_fd int fd = openat(root, &CHECK_SCRIPT[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, script, length) != (ssize_t)length || fchmod(fd, 0555) < 0)
        return bh_fail(err, errno, "cannot write the check's script");
    return 0;
}

static int add_scratch(int root, bh_error *err) {
    const char *const data[] = {"size=4m", "mode=1777", NULL};
    cleanup_fd int tmp = mount_new("tmpfs", "tmp", data, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
    return tmp < 0 ? -1 : attach_below(root, "tmp", tmp, err);
}

int check_root_make(const char *image, int machine, const char *script, size_t length, bh_error *err) {
    const char *const data[] = {"size=1m", "mode=0755", NULL};
    struct mount_attr private = {.propagation = MS_PRIVATE};
    if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof private) < 0)
        return bh_fail(err, errno, "cannot keep a check's mounts from the host");
    cleanup_fd int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int root = mount_new("tmpfs", "check", data, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
    const config plain = {0};
    // Attached first: what hangs below a detached mount cannot be attached to (before Linux 6.15).
    if (root < 0 || mount_attach(root, old_root, "a check's root", err) < 0 || make_folders(root, err) < 0 ||
        write_script(root, script, length, err) < 0 || add_programs(root, image, err) < 0 ||
        add_scratch(root, err) < 0 || devices_make(&plain, root, err) < 0 ||
        attach_below(root, &CHECK_MACHINE[1], machine, err) < 0)
        return -1;
    return take_fd(&root);
}

int check_root_add_views(int root, bh_error *err) {
    // Made anew and not the machine's own, over which its root may have mounted what it likes. Of the pid namespace of
    // whoever mounts it (proc(5)), and sysfs of its network.
    cleanup_fd int proc = mount_new("proc", "proc", NULL, ONLY_LOOK, err);
    cleanup_fd int sys = proc < 0 ? -1 : mount_new("sysfs", "sysfs", NULL, ONLY_LOOK, err);
    if (sys < 0 || attach_below(root, "proc", proc, err) < 0 || attach_below(root, "sys", sys, err) < 0)
        return -1;
    if (cgroup_version() != 2)
        return 0;
    cleanup_fd int groups = mount_new("cgroup2", "cgroup2", NULL, ONLY_LOOK, err);
    return groups < 0 ? -1 : attach_below(sys, "fs/cgroup", groups, err);
}

int check_root_enter(int root, bh_error *err) {
    const config read_only = {.root_readonly = true};
    return rootfs_enter(&read_only, root, -1, err);
}
