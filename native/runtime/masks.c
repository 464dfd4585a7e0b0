// Masked and read-only paths: see masks.h.
#include "runtime/masks.h"
#include "base/cleanup.h"
#include "runtime/devices.h"
#include "runtime/mount_options.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

// Where paths are looked up.
typedef struct view {
    const config *config;
    const mount_plan *plans;
    int root;
    int null; // the host's /dev/null
} view;

// An fd of `path`; -1 without an error where it does not exist.
static int open_existing(const view *v, const char *path, bh_error *err) {
    bh_error failure = {0};
    int fd = mounts_open(v->config, v->plans, v->root, path, &failure);
    if (fd < 0 && failure.code != ENOENT && failure.code != ENOTDIR)
        *err = failure;
    return fd;
}

static int mask(const view *v, const char *path, bh_error *err) {
    cleanup_fd int target = open_existing(v, path, err);
    struct stat info;
    if (target < 0)
        return err->message[0] ? -1 : 0;
    if (fstat(target, &info) < 0)
        return bh_fail(err, errno, "cannot mask %s", path);
    // Over a file, /dev/null: reads as empty, swallows writes. Over a folder, one that is empty and has no room for
    // anything: its only inode is the folder itself.
    if (!S_ISDIR(info.st_mode))
        return devices_bind(v->null, target, MOUNT_ATTR_RDONLY, path, err);
    const char *data[] = {"size=0", "nr_inodes=1", "mode=0555", v->config->mount_context, NULL};
    cleanup_fd int empty = mount_new("tmpfs", "masked", data, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, err);
    return empty < 0 ? -1 : mount_attach(empty, target, path, err);
}

static int make_readonly(const view *v, const char *path, bh_error *err) {
    cleanup_fd int target = open_existing(v, path, err);
    if (target < 0)
        return err->message[0] ? -1 : 0;
    // A mount is read-only, not a folder: so the folder becomes a mount, of itself upon itself, and that one can be.
    // With all that is mounted below, or just that would stay writable.
    cleanup_fd int copy =
        open_tree(target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)(AT_EMPTY_PATH | AT_RECURSIVE));
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (copy < 0 || mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot make %s read-only", path);
    return mount_attach(copy, target, path, err);
}

int masks_make(const config *c, const mount_plan *plans, int root, bh_error *err) {
    uint64_t start = trace_now();
    size_t masked = 0, readonly = 0;
    bh_error failure = {0}; // told from "not there" by being set
    cleanup_fd int null = devices_open_null(err);
    if (null < 0)
        return -1;
    const view v = {c, plans, root, null};
    for (const char **path = c->masked_paths; path && *path; path++, masked++) {
        if (mask(&v, *path, &failure) < 0) {
            *err = failure;
            return bh_wrap(err, "linux.maskedPaths[%zu]", masked);
        }
    }
    for (const char **path = c->readonly_paths; path && *path; path++, readonly++) {
        if (make_readonly(&v, *path, &failure) < 0) {
            *err = failure;
            return bh_wrap(err, "linux.readonlyPaths[%zu]", readonly);
        }
    }
    trace_step("masks", start, "%zu paths hidden, %zu read-only", masked, readonly);
    return 0;
}
