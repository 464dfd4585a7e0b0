// Processes by pid and start time: see identity.h.
#include "broker/identity.h"

#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>

#define KILL_MS 5000

uint64_t process_start_time(pid_t pid) {
    char path[64], stat[1024];
    bh_error err;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (pid <= 0 || fs_read(AT_FDCWD, path, stat, sizeof stat, &err) < 0)
        return 0;
    // The name, field 2, may hold spaces and parentheses of the program's choosing: count from the last one.
    const char *at = strrchr(stat, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

int process_open(pid_t pid, uint64_t start_time, bh_error *err) {
    cleanup_fd int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (fd < 0)
        return bh_fail(err, pid > 0 ? errno : ESRCH, "cannot watch process %d", (int)pid);
    // Compared after opening: from here on the fd cannot become another process.
    if (process_start_time(pid) != start_time)
        return bh_fail(err, ESRCH, "process %d is not the one it was", (int)pid);
    return take_fd(&fd);
}

static bool is_gone_within(int pidfd, int milliseconds) {
    struct pollfd ended = {pidfd, POLLIN, 0};
    return poll(&ended, 1, milliseconds) > 0;
}

int process_end(pid_t pid, uint64_t start_time, int patience_ms, bh_error *err) {
    bh_error absent;
    cleanup_fd int fd = process_open(pid, start_time, &absent);
    if (fd < 0)
        return 0;
    pidfd_send_signal(fd, SIGTERM, NULL, 0);
    if (is_gone_within(fd, patience_ms))
        return 0;
    pidfd_send_signal(fd, SIGKILL, NULL, 0);
    if (is_gone_within(fd, KILL_MS))
        return 0;
    return bh_fail(err, ETIMEDOUT, "process %d does not end", (int)pid);
}

int process_open_file(pid_t pid, const char *what, int flags, bh_error *err) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? bh_fail(err, errno, "cannot open %s", path) : fd;
}
