// /dev: see devices.h. https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-devices
#include "runtime/devices.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/mount_options.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

// In every container, as the specification wants it. None of them leads to hardware, or to anybody else's data.
static const device_config default_devices[] = {
    {.path = "/dev/null", .type = 'c', .major = 1, .minor = 3},
    {.path = "/dev/zero", .type = 'c', .major = 1, .minor = 5},
    {.path = "/dev/full", .type = 'c', .major = 1, .minor = 7},
    {.path = "/dev/random", .type = 'c', .major = 1, .minor = 8},
    {.path = "/dev/urandom", .type = 'c', .major = 1, .minor = 9},
    {.path = "/dev/tty", .type = 'c', .major = 5, .minor = 0},
};

static const struct {
    const char *name, *target;
} links[] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

static mode_t file_type(char type) {
    return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

// The host's device, which must be the one that is meant: on a host that was tampered with, or in a container that
// runs containers, /dev/null may be anything (CVE-2025-31133).
static int open_host_device(const device_config *d, bh_error *err) {
    cleanup_fd int fd = open(d->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0)
        return bh_fail(err, errno, "cannot open the host's %s", d->path);
    if ((info.st_mode & S_IFMT) != file_type(d->type) || major(info.st_rdev) != (unsigned)d->major ||
        minor(info.st_rdev) != (unsigned)d->minor)
        return bh_fail(err, 0, "the host's %s is not device %c %u:%u", d->path, d->type, (unsigned)d->major,
                       (unsigned)d->minor);
    return take_fd(&fd);
}

int devices_open_null(bh_error *err) {
    return open_host_device(&default_devices[0], err);
}

int devices_bind(int source, int target, uint64_t attributes, const char *what, bh_error *err) {
    cleanup_fd int copy = open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | attributes};
    if (copy < 0 || mount_setattr(copy, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot copy the mount for %s", what);
    return mount_attach(copy, target, what, err);
}

// A mount of the host's node: a user namespace may not make nodes of its own (mknod(2)). Read-only keeps the node's
// times and attributes as they are, for it is the host's; what is written to a device is not written to its file.
static int bind_device(const device_config *d, int root, bh_error *err) {
    cleanup_fd int source = open_host_device(d, err);
    cleanup_fd int target = source < 0 ? -1 : fs_make_file_in_root(root, d->path, err);
    return target < 0 ? -1 : devices_bind(source, target, MOUNT_ATTR_RDONLY, d->path, err);
}

// Whether what the image has there already is what is wanted, as the specification demands.
static int check_existing(const device_config *d, int parent, const char *name, bh_error *err) {
    struct stat info;
    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return bh_fail(err, errno, "cannot look at %s", d->path);
    bool same = (info.st_mode & S_IFMT) == file_type(d->type) &&
                (d->type == 'p' || info.st_rdev == makedev((unsigned)d->major, (unsigned)d->minor));
    return same ? 0 : bh_fail(err, EEXIST, "%s is something else in the image", d->path);
}

static int make_node(const device_config *d, int root, bh_error *err) {
    const char *name = strrchr(d->path, '/') + 1;
    cleanup_free char *parent_path = strndup(d->path, (size_t)(name - d->path) - (name - d->path > 1));
    cleanup_fd int parent = parent_path ? fs_make_dirs_in_root(root, parent_path, 0755, err) : -1;
    if (parent < 0)
        return -1;
    dev_t number = d->type == 'p' ? 0 : makedev((unsigned)d->major, (unsigned)d->minor);
    if (mknodat(parent, name, file_type(d->type) | d->mode, number) < 0)
        // What is there keeps its mode and owner: where a mount brought it, they are the host's.
        return errno == EEXIST ? check_existing(d, parent, name, err)
                               : bh_fail(err, errno, "cannot make device %s", d->path);
    if (fchmodat(parent, name, d->mode, 0) < 0 ||
        fchownat(parent, name, d->uid < 0 ? 0 : (uid_t)d->uid, d->gid < 0 ? 0 : (gid_t)d->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return bh_fail(err, errno, "cannot set mode and owner of device %s", d->path);
    return 0;
}

// Below whatever /dev is in the image: where that is a link, links made by its path would be made where it leads, on
// the host (CVE-2026-41579, CVE-2026-47766).
static int make_links(int root, bh_error *err) {
    cleanup_fd int dev = fs_make_dirs_in_root(root, "/dev", 0755, err);
    if (dev < 0)
        return -1;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
            return bh_fail(err, errno, "cannot make /dev/%s", links[i].name);
    return 0;
}

// A default device that linux.devices has too is made as it says there.
static bool is_listed(const config *c, const char *path) {
    for (size_t i = 0; i < c->device_count; i++)
        if (strcmp(c->devices[i].path, path) == 0)
            return true;
    return false;
}

int devices_make(const config *c, int root, bh_error *err) {
    uint64_t start = trace_now();
    for (size_t i = 0; i < sizeof default_devices / sizeof *default_devices; i++)
        if (!is_listed(c, default_devices[i].path) && bind_device(&default_devices[i], root, err) < 0)
            return -1;
    for (size_t i = 0; i < c->device_count; i++) {
        const device_config *d = &c->devices[i];
        bool bind = (c->namespaces & CLONE_NEWUSER) && d->type != 'p';
        int made = bind ? bind_device(d, root, err) : make_node(d, root, err);
        if (made < 0)
            return bh_wrap(err, "linux.devices[%zu]", i);
    }
    if (make_links(root, err) < 0)
        return -1;
    trace_step("devices", start, "null zero full random urandom tty, and %zu of linux.devices", c->device_count);
    return 0;
}
