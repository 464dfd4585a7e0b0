// What the monitor says to the broker: see status.h and bulkhead-monitor.c.
#include "monitor/status.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int status_open(const char *socket, bh_error *err) {
    cleanup_free char *path = NULL;
    if (asprintf(&path, "%s.status", socket) < 0)
        return bh_fail(err, ENOMEM, "cannot name the status file");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? bh_fail(err, errno, "cannot make %s", path) : fd;
}

// A line is one write, so that a reader never sees half of it.
static int write_line(int fd, const char *line) {
    size_t length = strlen(line);
    ssize_t written = write(fd, line, length);
    if (written >= 0 && (size_t)written != length)
        errno = ENOSPC;
    return written == (ssize_t)length ? 0 : -1;
}

int status_ready(int file, int fd, pid_t program, pid_t monitor, bh_error *err) {
    char line[64];
    snprintf(line, sizeof line, "{\"pid\":%d,\"monitor\":%d}\n", (int)program, (int)monitor);
    if (write_line(file, line) < 0)
        return bh_fail(err, errno, "cannot write the status file");
    // Its reader may be gone: the terminal lives without it.
    write_line(fd, line);
    close(fd);
    return 0;
}

void status_exited(int file, uint8_t kind, int32_t status) {
    char line[64];
    snprintf(line, sizeof line, "{\"exited\":{\"kind\":%d,\"status\":%d}}\n", kind, status);
    write_line(file, line); // a full disk: viewers are told all the same
}

void status_failed(int fd, const bh_error *failure) {
    cleanup_json json_t *object = json_pack("{s:s%}", "error", failure->message, strlen(failure->message));
    // A runtime's message need not be UTF-8, as JSON must be.
    if (!object)
        object = json_pack("{s:s}", "error", "the start failed, with a message that is not UTF-8");
    cleanup_free char *text = json_dumps(object, JSON_COMPACT);
    cleanup_free char *line = NULL;
    if (text && asprintf(&line, "%s\n", text) >= 0)
        write_line(fd, line);
    close(fd);
}
