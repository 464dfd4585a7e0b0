// Files under the root of a machine: see files.h.
#include "broker/files.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

// An interrupted call is a file system that was given up; see file_methods.c, where the clock is set.
static int fail_at(bh_error *err, int code, const char *what, const char *path) {
    if (code == EINTR)
        return bh_fail(err, ETIMEDOUT, "cannot %s %s: its file system does not answer", what, path);
    return bh_fail(err, code, "cannot %s %s", what, path);
}

static int open_below(int root, const char *path, int flags, const char *what, bh_error *err) {
    bh_error refused;
    int fd = fs_open_in_root(root, path, flags, &refused);
    return fd < 0 ? fail_at(err, refused.code, what, path) : fd;
}

static json_int_t modified_ms(const struct stat *info) {
    json_int_t ms = (json_int_t)info->st_mtim.tv_sec * 1000 + info->st_mtim.tv_nsec / 1000000;
    return ms > 0 ? ms : 0; // before 1970: a time that somebody made up
}

// A mere place (O_PATH), which does nothing to a device or a pipe, is opened for reading once it is known to be a file.
static int open_place(int place, const char *path, struct stat *info, bh_error *err) {
    if (fstat(place, info) < 0)
        return fail_at(err, errno, "read", path);
    if (S_ISDIR(info->st_mode))
        return bh_fail(err, EISDIR, "cannot read %s", path);
    if (!S_ISREG(info->st_mode)) {
        bh_fail(err, 0, "%s is no regular file but a device, a pipe or a socket", path);
        err->code = EINVAL;
        return -1;
    }
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", place);
    int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd < 0 ? fail_at(err, errno, "read", path) : fd;
}

static int open_file(int root, const char *path, struct stat *info, bh_error *err) {
    cleanup_fd int place = open_below(root, path, O_PATH, "read", err);
    return place < 0 ? -1 : open_place(place, path, info, err);
}

// Reads until `size` bytes are there or the file ends.
static ssize_t read_at(int fd, uint8_t *bytes, size_t size, off_t offset) {
    size_t length = 0;
    while (length < size) {
        ssize_t got = pread(fd, bytes + length, size - length, offset + (off_t)length);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        length += (size_t)got;
    }
    return (ssize_t)length;
}

int files_read(int root, const char *path, off_t offset, size_t max, json_t **result, bh_error *err) {
    struct stat info;
    cleanup_fd int fd = open_file(root, path, &info, err);
    if (fd < 0)
        return -1;
    if (max > FILE_BYTES_MAX)
        max = FILE_BYTES_MAX;
    // One byte more than wanted says whether there is more: the size of what the kernel makes up is 0.
    cleanup_free uint8_t *bytes = malloc(max + 1);
    cleanup_free char *text = malloc(base64_length(max) + 1);
    if (!bytes || !text)
        return bh_fail(err, ENOMEM, "cannot read %s", path);
    ssize_t got = read_at(fd, bytes, max + 1, offset);
    if (got < 0)
        return fail_at(err, errno, "read", path);
    bool more = (size_t)got > max;
    base64_encode(bytes, more ? max : (size_t)got, text);
    *result = json_pack("{s:I, s:i, s:I, s:s, s:b}", "size", (json_int_t)info.st_size, "mode",
                        (int)(info.st_mode & 07777), "modified_ms", modified_ms(&info), "content", text, "more", more);
    return 0;
}

// The directory that a path's last component is in; *name is set to that.
static int open_parent(int root, const char *path, const char **name, bh_error *err) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    size_t length = strlen(*name);
    if (length == 0 || length > NAME_MAX || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0) {
        bh_fail(err, 0, "%s does not end in the name of a file", path);
        err->code = EINVAL;
        return -1;
    }
    cleanup_free char *parent = slash > path ? strndup(path, (size_t)(slash - path)) : strdup("/");
    if (!parent)
        return bh_fail(err, ENOMEM, "cannot write %s", path);
    return open_below(root, parent, O_PATH | O_DIRECTORY, "write to", err);
}

// What is there already; `mode` is set to its own unless one is wanted. Without anything there: st_nlink 0.
static int look_at(int parent, const char *name, const char *path, struct stat *there, int *mode, bh_error *err) {
    if (fstatat(parent, name, there, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return fail_at(err, errno, "write", path);
        there->st_nlink = 0;
        *mode = *mode < 0 ? 0644 : *mode;
        return 0;
    }
    if (S_ISLNK(there->st_mode)) {
        bh_fail(err, 0, "%s is a symbolic link: write to what it points to", path);
        err->code = ELOOP;
        return -1;
    }
    if (!S_ISREG(there->st_mode)) {
        bool directory = S_ISDIR(there->st_mode);
        bh_fail(err, 0, "%s is %s", path, directory ? "a directory" : "no regular file");
        err->code = directory ? EISDIR : EINVAL;
        return -1;
    }
    *mode = *mode < 0 ? (int)(there->st_mode & 07777) : *mode;
    return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t put = write(fd, bytes + done, length - done);
        if (put < 0)
            return -1;
        done += (size_t)put;
    }
    return 0;
}

static int fail_changed(const char *path, bh_error *err) {
    bh_fail(err, 0, "%s is not what it was when it was read", path);
    err->code = EEXIST;
    return -1;
}

// Whether the file has this content still. One more byte than that is looked for: it may have grown.
static int expect_content(int parent, const char *name, const char *path, const file_bytes *was, bh_error *err) {
    struct stat info;
    cleanup_fd int place = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0)
        return errno == ENOENT ? fail_changed(path, err) : fail_at(err, errno, "read", path);
    cleanup_fd int fd = open_place(place, path, &info, err);
    cleanup_free uint8_t *bytes = malloc(was->length + 1);
    if (fd < 0 || !bytes)
        return fd < 0 ? -1 : bh_fail(err, ENOMEM, "cannot read %s", path);
    ssize_t got = read_at(fd, bytes, was->length + 1, 0);
    if (got < 0)
        return fail_at(err, errno, "read", path);
    bool same = (size_t)got == was->length && memcmp(bytes, was->bytes, was->length) == 0;
    return same ? 0 : fail_changed(path, err);
}

// Nothing that takes time comes between the look at what is there and the exchange.
static int take_place(int parent, const char *beside, const char *name, const char *path, const file_bytes *was,
                      bh_error *err) {
    if (was && was->bytes && expect_content(parent, name, path, was, err) < 0)
        return -1;
    bool nothing_there = was && !was->bytes;
    if (renameat2(parent, beside, parent, name, nothing_there ? RENAME_NOREPLACE : 0) == 0)
        return 0;
    return errno == EEXIST ? fail_changed(path, err) : fail_at(err, errno, "write", path);
}

int files_write(int root, const char *path, file_bytes content, int mode, const file_bytes *was, bh_error *err) {
    const char *name;
    struct stat there;
    cleanup_fd int parent = open_parent(root, path, &name, err);
    if (parent < 0 || look_at(parent, name, path, &there, &mode, err) < 0)
        return -1;
    uint32_t number;
    char beside[32];
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return bh_fail(err, errno, "cannot name a file beside %s", path);
    snprintf(beside, sizeof beside, ".bulkhead-%08x", number);
    // O_EXCL: not through a link that is there. Nobody else can open it before it has its mode.
    cleanup_fd int fd = openat(parent, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_at(err, errno, "write", path);
    // chown(2) takes set-user-ID bits away, so the mode comes after.
    bool ready = write_all(fd, content.bytes, content.length) == 0 &&
                 (there.st_nlink == 0 || fchown(fd, there.st_uid, there.st_gid) == 0) && fchmod(fd, (mode_t)mode) == 0;
    if (!ready)
        fail_at(err, errno, "write", path);
    else if (take_place(parent, beside, name, path, was, err) == 0)
        return 0;
    unlinkat(parent, beside, 0);
    return -1;
}

static const char *type_of(mode_t mode) {
    return S_ISREG(mode) ? "file" : (S_ISDIR(mode) ? "directory" : (S_ISLNK(mode) ? "link" : "other"));
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef struct name_list {
    char *names[FILE_ENTRIES_MAX];
    size_t count;
} name_list;

static void free_names(name_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
}

// The first names that the file system gives. *more says that there are others.
static int collect_names(DIR *dir, name_list *list, bool *more, const char *path, bh_error *err) {
    size_t used = 0;
    errno = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        used += strlen(entry->d_name);
        if (list->count == FILE_ENTRIES_MAX || used > FILE_NAMES_MAX) {
            *more = true;
            return 0;
        }
        list->names[list->count] = strdup(entry->d_name);
        if (!list->names[list->count++])
            return bh_fail(err, ENOMEM, "cannot list %s", path);
    }
    return errno == 0 ? 0 : fail_at(err, errno, "list", path);
}

int files_list(int root, const char *path, json_t **result, bh_error *err) {
    cleanup_fd int fd = open_below(root, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, "list", err);
    if (fd < 0)
        return -1;
    cleanup_dir DIR *dir = fdopendir(fd);
    if (!dir)
        return bh_fail(err, errno, "cannot list %s", path);
    take_fd(&fd);
    __attribute__((cleanup(free_names))) name_list list = {.count = 0};
    bool more = false;
    if (collect_names(dir, &list, &more, path, err) < 0)
        return -1;
    qsort(list.names, list.count, sizeof *list.names, by_name);
    json_t *entries = json_array();
    for (size_t i = 0; i < list.count; i++) {
        const char *name = list.names[i];
        struct stat info;
        if (fstatat(dirfd(dir), name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
            continue; // it went away meanwhile
        json_array_append_new(entries,
                              json_pack("{s:o, s:s, s:I, s:i, s:I}", "name", utf8_to_json(name, strlen(name)), "type",
                                        type_of(info.st_mode), "size", (json_int_t)info.st_size, "mode",
                                        (int)(info.st_mode & 07777), "modified_ms", modified_ms(&info)));
    }
    *result = json_pack("{s:o, s:b}", "entries", entries, "more", more);
    return 0;
}
