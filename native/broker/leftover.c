// Runtimes of a broker that is gone: see leftover.h.
#include "broker/leftover.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/log.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#define PATIENCE_MS 10000

// What jobs wait for. `exec` is not among them: a terminal's program is a monitor's, and outlives brokers.
static bool is_work(const char *verb) {
    static const char *const work[] = {"run", "delete", "checkpoint", "restore"};
    for (size_t i = 0; i < sizeof work / sizeof *work; i++) {
        if (strcmp(verb, work[i]) == 0)
            return true;
    }
    return false;
}

// Whether a command line, its arguments divided by NULs, is that of a runtime of ours which works for a job.
static bool is_leftover(const char *line, size_t length, const char *root) {
    const char *end = line + length;
    const char *argument[3] = {"", "", ""};
    const char *at = line;
    for (size_t i = 0; i < 3 && at < end; i++, at += strlen(at) + 1)
        argument[i] = at;
    const char *slash = strrchr(argument[0], '/');
    if (strcmp(slash ? slash + 1 : argument[0], "bulkhead") != 0 || strcmp(argument[1], "--root") != 0 ||
        strcmp(argument[2], root) != 0)
        return false;
    for (; at < end; at += strlen(at) + 1) {
        if (is_work(at))
            return true;
        if (strcmp(at, "exec") == 0)
            return false;
    }
    return false;
}

static void await(pid_t pid, const char *root) {
    char path[64], line[4096];
    bh_error ignored;
    // First of all, so that what is read is of the process that is waited for.
    cleanup_fd int process = pidfd_open(pid, 0);
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    ssize_t length = process < 0 ? -1 : fs_read(AT_FDCWD, path, line, sizeof line, &ignored);
    if (length <= 0 || !is_leftover(line, (size_t)length, root))
        return;
    struct pollfd ended = {.fd = process, .events = POLLIN};
    log_info("waiting for process %d, which an earlier broker left at work", (int)pid);
    if (poll(&ended, 1, PATIENCE_MS) == 0)
        log_error("process %d of an earlier broker does not end: what it works on may be found half done", (int)pid);
}

void leftovers_await(const broker *b) {
    state_name root = runtime_root(b);
    cleanup_dir DIR *proc = opendir("/proc");
    for (const struct dirent *entry; proc && (entry = readdir(proc));) {
        if (isdigit((unsigned char)entry->d_name[0]))
            await(atoi(entry->d_name), root.text);
    }
}
