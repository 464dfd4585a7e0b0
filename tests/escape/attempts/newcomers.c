// Newcomers: processes that somebody outside brings into this container. Until it executes its program such a one is
// the runtime, which was root on the host a moment ago. Each attempt takes the number of seconds to watch.
#include "attempt.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <time.h>

// Calls `meet` for each process that is there, again and again, until that says so or so many seconds have passed.
static bool watch_newcomers(const char *seconds, bool (*meet)(pid_t pid)) {
    for (time_t end = time(NULL) + atoi(seconds); time(NULL) < end;) {
        DIR *processes = opendir("/proc");
        bool enough = false;
        for (struct dirent *entry; !enough && (entry = readdir(processes));) {
            pid_t pid = atoi(entry->d_name);
            enough = pid > 1 && pid != getpid() && meet(pid);
        }
        closedir(processes);
        if (enough)
            return true;
    }
    return false;
}

// Its name, or, where an older kernel gives that, the number of the descriptor it was run by (execveat(2)).
static bool says_runtime(pid_t pid) {
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    int fd = open(path, O_RDONLY);
    if (fd >= 0 && read(fd, name, sizeof name - 1) < 0)
        name[0] = '\0';
    if (fd >= 0)
        close(fd);
    return strcmp(name, "bulkhead\n") == 0 || (name[0] && strspn(name, "0123456789\n") == strlen(name));
}

static int met; // how often

static bool trace_it(pid_t pid) {
    // Again and again while it is what it came as: one moment in which it can be traced is enough.
    while (says_runtime(pid)) {
        met++;
        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0)
            return says_runtime(pid);
    }
    return false;
}

ATTEMPT(trace_newcomers) {
    return watch_newcomers(args[0], trace_it) ? got("to trace the runtime") : stopped_because("met it %d times", met);
}

static bool find_path(pid_t pid) {
    char path[64], line[4096];
    while (says_runtime(pid)) {
        met++;
        snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
        int fd = open(path, O_RDONLY);
        ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof line);
        if (fd >= 0)
            close(fd);
        if (length > 0 && memmem(line, (size_t)length, "--root", 6))
            return true;
    }
    return false;
}

ATTEMPT(read_newcomers) {
    return watch_newcomers(args[0], find_path) ? got("the runtime's command line")
                                               : stopped_because("met it %d times", met);
}

static bool stop_it(pid_t pid) {
    if (says_runtime(pid) && kill(pid, SIGSTOP) == 0)
        met++;
    return false;
}

ATTEMPT(stop_newcomers) {
    watch_newcomers(args[0], stop_it);
    return got("to stop %d", met);
}
