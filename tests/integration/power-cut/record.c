// LD_PRELOAD: writes down, in order, what a program does to files in $RECORD_DIRECTORY: every write with its bytes, every
// truncation, removal and sync. power-cut.test.ts plays it back to every moment at which the power could have gone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE = 2, SYNC = 3, REMOVE = 4 };

/// One line of the record; `length` bytes of data follow a WRITE, and the file's name follows each.
struct entry {
    uint32_t what;
    uint32_t name_length;
    uint64_t offset;
    uint64_t length;
};

static pthread_mutex_t in_order = PTHREAD_MUTEX_INITIALIZER;

/// The part of `path` below the recorded directory, "" for the directory itself; NULL for every other path.
static const char *below(const char *path) {
    const char *const directory = getenv("RECORD_DIRECTORY");
    const size_t prefix = directory == NULL ? 0 : strlen(directory);
    if (prefix == 0 || strncmp(path, directory, prefix) != 0 || (path[prefix] != '/' && path[prefix] != '\0')) {
        return NULL;
    }
    return path + prefix + (path[prefix] == '/');
}

static void put(const void *bytes, size_t length) {
    static int record = -1;
    if (record < 0) {
        record = (int)syscall(SYS_openat, AT_FDCWD, getenv("RECORD"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    // By number, because write() is ours. A record that is not whole would make the test pass for nothing.
    if (syscall(SYS_write, record, bytes, length) != (long)length) {
        abort();
    }
}

static void note_path(uint32_t what, const char *path, uint64_t offset, const void *data, uint64_t length) {
    const char *const name = below(path);
    if (name == NULL) {
        return;
    }
    const struct entry entry = {what, (uint32_t)strlen(name), offset, length};
    pthread_mutex_lock(&in_order);
    put(&entry, sizeof entry);
    put(name, entry.name_length);
    if (data != NULL) {
        put(data, length);
    }
    pthread_mutex_unlock(&in_order);
}

static void note(uint32_t what, int fd, uint64_t offset, const void *data, uint64_t length) {
    char link[64];
    char path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t end = readlink(link, path, sizeof path - 1);
    if (end > 0) {
        path[end] = '\0';
        note_path(what, path, offset, data, length);
    }
}

#define REAL(function) ((typeof(&function))dlsym(RTLD_NEXT, #function))

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    const ssize_t written = REAL(pwrite64)(fd, data, length, offset);
    if (written > 0) {
        note(WRITE, fd, (uint64_t)offset, data, (uint64_t)written);
    }
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

ssize_t write(int fd, const void *data, size_t length) {
    const ssize_t written = REAL(write)(fd, data, length);
    if (written > 0) {
        // Where it went is where the offset was; for a file opened with O_APPEND too, since both have moved by now.
        note(WRITE, fd, (uint64_t)(lseek(fd, 0, SEEK_CUR) - written), data, (uint64_t)written);
    }
    return written;
}

int ftruncate64(int fd, off64_t length) {
    const int result = REAL(ftruncate64)(fd, length);
    if (result == 0) {
        note(TRUNCATE, fd, 0, NULL, (uint64_t)length);
    }
    return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fsync(int fd) {
    const int result = REAL(fsync)(fd);
    if (result == 0) {
        note(SYNC, fd, 0, NULL, 0);
    }
    return result;
}

int fdatasync(int fd) {
    const int result = REAL(fdatasync)(fd);
    if (result == 0) {
        note(SYNC, fd, 0, NULL, 0);
    }
    return result;
}

int unlink(const char *path) {
    const int result = REAL(unlink)(path);
    if (result == 0) {
        note_path(REMOVE, path, 0, NULL, 0);
    }
    return result;
}
