// Small kernel files, and paths under a root that may be hostile: see fs.h.
#include "base/fs.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static int write_value(int fd, const char *path, const char *value, bh_error *err) {
    if (fd < 0)
        return bh_fail(err, errno, "cannot open %s for writing", path);
    if (write(fd, value, strlen(value)) < 0)
        return bh_fail(err, errno, "cannot write \"%.*s\" to %s", (int)strcspn(value, "\n"), value, path);
    return 0;
}

int fs_write(int dir, const char *path, const char *value, bh_error *err) {
    cleanup_fd int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    return write_value(fd, path, value, err);
}

int fs_write_below(int dir, const char *path, const char *value, bh_error *err) {
    struct open_how how = {
        .flags = O_WRONLY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
    };
    cleanup_fd int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
    return write_value(fd, path, value, err);
}

ssize_t fs_read(int dir, const char *path, char *buffer, size_t size, bh_error *err) {
    cleanup_fd int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bh_fail(err, errno, "cannot open %s", path);
    size_t length = 0;
    for (;;) {
        ssize_t got = read(fd, buffer + length, size - 1 - length);
        if (got < 0)
            return bh_fail(err, errno, "cannot read %s", path);
        length += (size_t)got;
        if (got == 0)
            break;
        if (length == size - 1)
            return bh_fail(err, EFBIG, "%s is longer than %zu bytes", path, size - 1);
    }
    while (length > 0 && strchr(" \t\n", buffer[length - 1]))
        length--;
    buffer[length] = '\0';
    return (ssize_t)length;
}

int fs_replace(int dir, const char *path, const char *value, mode_t mode, bh_error *err) {
    char temporary[256];
    if (snprintf(temporary, sizeof temporary, "%s.%d.new", path, getpid()) >= (int)sizeof temporary)
        return bh_fail(err, ENAMETOOLONG, "cannot write %s", path);
    cleanup_fd int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return bh_fail(err, errno, "cannot create %s", temporary);
    size_t length = strlen(value);
    ssize_t written = write(fd, value, length);
    if (written != (ssize_t)length || renameat(dir, temporary, dir, path) < 0) {
        int code = written >= 0 && written != (ssize_t)length ? ENOSPC : errno;
        unlinkat(dir, temporary, 0);
        return bh_fail(err, code, "cannot write %s", path);
    }
    return 0;
}

int fs_check_magic(int fd, uint32_t magic, const char *what, bh_error *err) {
    struct statfs info;
    if (fstatfs(fd, &info) < 0)
        return bh_fail(err, errno, "cannot tell the file system of %s", what);
    if ((uint32_t)info.f_type != magic)
        return bh_fail(err, 0, "%s is on file system 0x%x, not 0x%x: something else is mounted there", what,
                       (uint32_t)info.f_type, magic);
    return 0;
}

int fs_open_in_root(int root, const char *path, int flags, bh_error *err) {
    // RESOLVE_IN_ROOT and not a prefix check: the kernel resolves each component, so a link swapped in between cannot
    // lead out (CVE-2021-30465). Magic links (/proc/*/fd/*) would jump out even so.
    struct open_how how = {
        .flags = (uint64_t)(uint32_t)(flags | O_CLOEXEC),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        // EAGAIN: something on the way was renamed while ".." was being resolved (openat2(2)).
        if (errno != EAGAIN || tries == 100)
            return bh_fail(err, errno, "cannot open %s inside the container's root", path);
    }
}

// The directory that holds the last component of `path`, made where missing; *name is set to that component.
static int make_parent_in_root(int root, const char *path, const char **name, bh_error *err) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (**name == '\0' || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
        return bh_fail(err, EINVAL, "%s does not end in a name", path);
    if (!slash || slash == path)
        return fs_open_in_root(root, ".", O_PATH | O_DIRECTORY, err);
    cleanup_free char *parent = strndup(path, (size_t)(slash - path));
    if (!parent)
        return bh_fail(err, ENOMEM, "cannot make %s", path);
    return fs_make_dirs_in_root(root, parent, 0755, err);
}

// Opens what is at `path` already. Where nothing is, returns -1 with *parent an fd of the directory that `name` belongs
// into; on any other failure *parent is -1 as well, and *err set.
static int open_or_parent(int root, const char *path, int flags, int *parent, const char **name, bh_error *err) {
    bh_error missing = {0};
    int fd = fs_open_in_root(root, path, flags, &missing);
    if (fd < 0 && missing.code == ENOENT)
        *parent = make_parent_in_root(root, path, name, err);
    else if (fd < 0)
        *err = missing;
    return fd;
}

int fs_make_dirs_in_root(int root, const char *path, mode_t mode, bh_error *err) {
    const char *name;
    cleanup_fd int parent = -1;
    int fd = open_or_parent(root, path, O_PATH | O_DIRECTORY, &parent, &name, err);
    if (fd >= 0 || parent < 0)
        return fd;
    if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
        return bh_fail(err, errno, "cannot create directory %s inside the container's root", path);
    return fs_open_in_root(root, path, O_PATH | O_DIRECTORY, err);
}

int fs_make_file_in_root(int root, const char *path, bh_error *err) {
    const char *name;
    cleanup_fd int parent = -1;
    int fd = open_or_parent(root, path, O_PATH, &parent, &name, err);
    if (fd >= 0 || parent < 0)
        return fd;
    cleanup_fd int made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (made < 0 && errno != EEXIST)
        return bh_fail(err, errno, "cannot create file %s inside the container's root", path);
    return fs_open_in_root(root, path, O_PATH, err);
}

int fs_make_dirs(const char *path, mode_t mode, bh_error *err) {
    cleanup_free char *part = strdup(path);
    if (!part)
        return bh_fail(err, ENOMEM, "cannot create directory %s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return bh_fail(err, errno, "cannot create directory %s", part);
        *slash = '/';
    }
    if (mkdir(part, mode) < 0 && errno != EEXIST)
        return bh_fail(err, errno, "cannot create directory %s", part);
    return 0;
}

int fs_remove_tree(int dir, const char *path, bh_error *err) {
    if (unlinkat(dir, path, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return bh_fail(err, errno, "cannot remove %s", path);
    int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) // ENOENT, here and below: somebody else is removing it too
        return errno == ENOENT ? 0 : bh_fail(err, errno, "cannot open directory %s", path);
    cleanup_dir DIR *entries = fdopendir(fd);
    if (!entries) {
        close(fd);
        return bh_fail(err, errno, "cannot read directory %s", path);
    }
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fs_remove_tree(fd, entry->d_name, err) < 0)
            return bh_wrap(err, "%s", path);
    }
    if (unlinkat(dir, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return bh_fail(err, errno, "cannot remove directory %s", path);
    return 0;
}
