// Checks before the start: see preflight.h.
#include "broker/preflight.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/state.h"
#include "probe/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

// Of 10 ms each.
#define LOCK_TRIES 200

// Without one of these a machine could take all of the host: nothing is started then.
static int check_controllers(bh_error *err) {
    char missing[64];
    if (cgroups_missing(missing, sizeof missing, err) < 0)
        return -1;
    if (!*missing)
        return 0;
    int version = cgroup_version();
    return bh_fail(err, 0, "the cgroup controllers %s are not %s: %s", missing,
                   version == 2 ? "available here" : "mounted", cgroups_remedy(version));
}

static int check_state(const char *dir, bh_error *err) {
    if (dir[0] != '/')
        return bh_fail(err, 0, "--state %s must be an absolute path", dir);
    if (strlen(dir) > STATE_DIR_MAX)
        return bh_fail(err, 0,
                       "--state %s is too long: sockets below it would not fit into the kernel's 107 bytes; "
                       "choose one of at most %d bytes",
                       dir, STATE_DIR_MAX);
    char run[STATE_DIR_MAX + 8];
    snprintf(run, sizeof run, "%.*s/run", STATE_DIR_MAX, dir);
    // 0711: the server passes through to sockets that it knows by name, and cannot list them.
    if (fs_make_dirs(run, 0711, err) < 0)
        return bh_wrap(err, "the state directory %s cannot be used (choose another with --state)", dir);
    if (access(run, W_OK) < 0)
        return bh_fail(err, errno, "cannot write to %s (choose another state directory with --state)", run);
    return 0;
}

static int check_programs(const char *dir, bh_error *err) {
    static const char *const needed[] = {"bulkhead", "bulkhead-monitor"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", dir, needed[i]);
        if (access(path, X_OK) < 0)
            return bh_fail(err, errno, "cannot run %s (say where it is with --programs, or run make -C native)", path);
    }
    return 0;
}

int preflight(const broker_config *config, bh_error *err) {
    if (geteuid() != 0)
        return bh_fail(err, 0, "must be root: namespaces, cgroups and id ranges of machines are made here (use sudo)");
    if (check_controllers(err) < 0 || check_state(config->state_dir, err) < 0)
        return -1;
    return check_programs(config->programs_dir, err);
}

// Locks as soon as nobody else does. A broker that was killed while it forked left a copy of its lock to a job, which
// closes it in its first moments (job.c); so a lock whose holder is dead is waited for, and one whose holder lives is
// not.
static int lock_unless_used(int fd, char *pid, size_t size) {
    const struct timespec pause = {.tv_nsec = 10000000};
    for (int tries = 0;; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -1;
        ssize_t got = pread(fd, pid, size - 1, 0);
        pid[got > 0 ? got : 0] = '\0';
        long holder = strtol(pid, NULL, 10);
        bool is_dead = holder > 0 && kill((pid_t)holder, 0) < 0 && errno == ESRCH;
        if (!is_dead || tries == LOCK_TRIES) {
            errno = EWOULDBLOCK;
            return -1;
        }
        nanosleep(&pause, NULL);
    }
}

int preflight_lock(const broker_config *config, bh_error *err) {
    char path[PATH_MAX], pid[16] = "";
    snprintf(path, sizeof path, "%s/run/broker.lock", config->state_dir);
    cleanup_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return bh_fail(err, errno, "cannot open %s", path);
    // A lock and not the file's existence: however the broker ends, the kernel lets go of it.
    if (lock_unless_used(fd, pid, sizeof pid) < 0) {
        if (errno != EWOULDBLOCK)
            return bh_fail(err, errno, "cannot lock %s", path);
        return bh_fail(err, 0, "another broker, process %.*s, uses %s: end it first, or choose another --state",
                       *pid ? (int)strcspn(pid, "\n") : 1, *pid ? pid : "?", config->state_dir);
    }
    int length = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)length, 0) != length)
        return bh_fail(err, errno, "cannot write to %s (is the disk full?)", path);
    return take_fd(&fd);
}
