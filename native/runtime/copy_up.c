// Copying a directory tree by fds: see copy_up.h.
#include "runtime/copy_up.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

// Deep enough for any image, and a bound for one that was made to exhaust the stack.
enum { DEPTH_MAX = 64 };

static int copy_directory(int from, int to, int depth, bh_error *err);

static int copy_file(int from, const char *name, int to, const struct stat *info, bh_error *err) {
    // The image may change while it is copied. So neither side follows a link, and what became a FIFO meanwhile does
    // not keep us waiting for a writer (O_NONBLOCK). 0600 until the owner is right: nobody else is to open it before.
    cleanup_fd int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    cleanup_fd int copy = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (source < 0 || copy < 0)
        return bh_fail(err, errno, "cannot copy %s", name);
    for (off_t left = info->st_size; left > 0;) {
        ssize_t sent = sendfile(copy, source, NULL, (size_t)left);
        if (sent < 0)
            return bh_fail(err, errno, "cannot copy %s", name);
        if (sent == 0) // it was cut meanwhile
            break;
        left -= sent;
    }
    // Owner first: changing it takes setuid bits away.
    if (fchown(copy, info->st_uid, info->st_gid) < 0 || fchmod(copy, info->st_mode & 07777) < 0)
        return bh_fail(err, errno, "cannot copy %s", name);
    return 0;
}

static int copy_link(int from, const char *name, int to, bh_error *err) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(from, name, target, sizeof target - 1);
    if (length < 0)
        return bh_fail(err, errno, "cannot copy %s", name);
    target[length] = '\0';
    return symlinkat(target, to, name) < 0 ? bh_fail(err, errno, "cannot copy %s", name) : 0;
}

static int copy_folder(int from, const char *name, int to, int depth, bh_error *err) {
    cleanup_fd int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (source < 0 || mkdirat(to, name, 0700) < 0)
        return bh_fail(err, errno, "cannot copy %s", name);
    cleanup_fd int copy = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (copy < 0)
        return bh_fail(err, errno, "cannot copy %s", name);
    return copy_directory(source, copy, depth + 1, err);
}

static int copy_entry(int from, const char *name, int to, int depth, bh_error *err) {
    struct stat info;
    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : bh_fail(err, errno, "cannot copy %s", name);
    switch (info.st_mode & S_IFMT) {
    case S_IFDIR:
        return copy_folder(from, name, to, depth, err);
    case S_IFREG:
        return copy_file(from, name, to, &info, err);
    case S_IFLNK:
        if (copy_link(from, name, to, err) < 0)
            return -1;
        break;
    case S_IFIFO:
        if (mknodat(to, name, S_IFIFO | (info.st_mode & 07777), 0) < 0)
            return bh_fail(err, errno, "cannot copy %s", name);
        break;
        // Sockets are dead without their program, and a device's node would be a way to the host's device.
    default:
        return 0;
    }
    if (fchownat(to, name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return bh_fail(err, errno, "cannot copy %s", name);
    return 0;
}

static int copy_directory(int from, int to, int depth, bh_error *err) {
    struct stat info;
    if (depth > DEPTH_MAX)
        return bh_fail(err, 0, "folders are nested more than %d deep", DEPTH_MAX);
    // An open of its own: reading a folder moves the position of the fd, and `from` is the caller's.
    cleanup_fd int list = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_dir DIR *entries = list < 0 ? NULL : fdopendir(list);
    if (!entries || fstat(from, &info) < 0)
        return bh_fail(err, errno, "cannot read a folder to copy");
    take_fd(&list); // closedir closes it
    for (struct dirent *entry; errno = 0, (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            copy_entry(from, entry->d_name, to, depth, err) < 0)
            return -1;
    if (errno != 0)
        return bh_fail(err, errno, "cannot read a folder to copy");
    if (fchown(to, info.st_uid, info.st_gid) < 0 || fchmod(to, info.st_mode & 07777) < 0)
        return bh_fail(err, errno, "cannot set the owner of a copied folder");
    return 0;
}

int copy_up(int from, int to, bh_error *err) {
    return copy_directory(from, to, 0, err);
}
