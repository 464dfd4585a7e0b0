// Control groups whatever the host's version: checks the path, then asks cgroup1.c or cgroup2.c. See cgroup.h.
#include "base/cgroup.h"
#include "base/cgroup_backend.h"
#include "base/cleanup.h"
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { GONE_TIMEOUT_MS = 1000 };

// In a mount namespace of somebody's a mount can be listed and yet be hidden by a later one above it, and then its path
// leads to plain files.
bool cgroup_mount_is_visible(const char *mount, uint32_t magic) {
    struct statfs info;
    if (statfs(mount, &info) == 0)
        return (uint32_t)info.f_type == magic;
    // One that cannot be looked at just now is there: left out here, a process would stay out of its limits.
    return errno != ENOENT && errno != ENOTDIR && errno != EACCES;
}

FILE *cgroup_mountinfo(void) {
    static char *text;
    static ssize_t length;
    if (!text) {
        cleanup_file FILE *file = fopen("/proc/self/mountinfo", "re");
        size_t room = 0;
        length = file ? getdelim(&text, &room, '\0', file) : -1;
        if (file && ferror(file))
            length = -1; // half a list would leave some hierarchies out
    }
    return length > 0 ? fmemopen(text, (size_t)length, "r") : NULL;
}

int cgroup_version(void) {
    static int version;
    if (version == 0) {
        cleanup_file FILE *mounts = cgroup_mountinfo();
        char mount[128];
        version = mounts && cgroup2_parse_mounts(mounts, cgroup_mount_is_visible, true, mount, sizeof mount) ? 2 : 1;
    }
    return version;
}

static const cgroup_backend *backend(void) {
    return cgroup_version() == 2 ? &cgroup2_backend : &cgroup1_backend;
}

// A group's path without its leading slash; NULL (and *err) for one that could lead elsewhere, or be the root itself,
// which is never ours to change.
static const char *checked(const char *path, bh_error *err) {
    const char *start = path + strspn(path, "/");
    const char *part = start;
    bool good = *start != '\0' && strlen(start) <= 200;
    while (good && *part) {
        size_t length = strcspn(part, "/");
        good = length > 0 && strncmp(part, "..", length < 2 ? 2 : length) != 0 && !(length == 1 && *part == '.') &&
               !memchr(part, '\n', length);
        part += length;
        if (*part == '/' && *++part == '\0')
            good = false;
    }
    if (good)
        return start;
    bh_fail(err, EINVAL,
            "\"%s\" is not a cgroup path (wanted: names separated by single slashes, such as bulkhead/ab12)", path);
    return NULL;
}

int cgroup_controllers(char *names, size_t size, bh_error *err) {
    return backend()->controllers(names, size, err);
}

int cgroup_limit_failed(const cgroup_limits *limits, const char *field, bh_error *err) {
    return *limits->origin ? bh_wrap(err, "%s.%s", limits->origin, field) : bh_wrap(err, "%s", field);
}

int cgroup_create(const char *path, const cgroup_limits *limits, bh_error *err) {
    if (!(path = checked(path, err)) || backend()->create(path, err) < 0)
        return -1;
    return backend()->set_limits(path, limits, err);
}

int cgroup_set_limits(const char *path, const cgroup_limits *limits, bh_error *err) {
    return (path = checked(path, err)) ? backend()->set_limits(path, limits, err) : -1;
}

int cgroup_apply(const char *path, const cgroup_setting *settings, size_t count, bh_error *err) {
    if (!(path = checked(path, err)))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (backend()->write(path, &settings[i], err) < 0)
            return bh_wrap(err, "%s", settings[i].field);
    return 0;
}

int cgroup_allow_devices(const char *path, const cgroup_device *rules, size_t count, bh_error *err) {
    return (path = checked(path, err)) ? backend()->allow_devices(path, rules, count, err) : -1;
}

int cgroup_delegate(const char *path, uid_t uid, gid_t gid, bh_error *err) {
    return (path = checked(path, err)) ? backend()->delegate(path, uid, gid, err) : -1;
}

int cgroup_join_self(const char *path, bh_error *err) {
    return (path = checked(path, err)) ? backend()->join_self(path, err) : -1;
}

int cgroup_open(const char *path, bh_error *err) {
    return (path = checked(path, err)) ? backend()->open(path, err) : -1;
}

int cgroup_directories(const char *path, char directories[][CGROUP_DIRECTORY_SIZE], bh_error *err) {
    return (path = checked(path, err)) ? backend()->directories(path, directories) : -1;
}

int cgroup_find_directory(const char *path, const char *controller, char directory[CGROUP_DIRECTORY_SIZE],
                          bh_error *err) {
    return (path = checked(path, err)) ? backend()->find_directory(path, controller, directory) : -1;
}

int cgroup_read_pids(const char *path, pid_t **pids, bh_error *err) {
    return (path = checked(path, err)) ? backend()->read_pids(path, pids, err) : -1;
}

int cgroup_freeze(const char *path, bool frozen, bh_error *err) {
    if (!(path = checked(path, err)))
        return -1;
    int result = backend()->freeze(path, frozen, err);
    bh_error ignored;
    // Not half of it: with some of its processes stopped it would count as running, and nobody would wake them.
    if (result < 0 && frozen && err->code == ETIMEDOUT)
        backend()->freeze(path, false, &ignored);
    return result;
}

bool cgroup_is_frozen(const char *path) {
    bh_error ignored;
    return (path = checked(path, &ignored)) && backend()->is_frozen(path);
}

int cgroup_signal(const char *path, int number, bh_error *err) {
    return (path = checked(path, err)) ? backend()->signal(path, number, err) : -1;
}

// Dying takes the kernel a moment, and v1 tells nobody when it is over: there one has to look again, soon at first,
// then less often.
static void await_empty(const char *path, int round) {
    int ms = round < 10 ? 1 : round < 28 ? 5 : 20;
    if (backend()->await_empty)
        backend()->await_empty(path, 50);
    else
        nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

int cgroup_kill_all(const char *path, int timeout_ms, bh_error *err) {
    if (!(path = checked(path, err)))
        return -1;
    uint64_t deadline = loop_now_ms() + (unsigned)timeout_ms;
    for (int round = 0;; round++) {
        cleanup_free pid_t *pids = NULL;
        int count = backend()->read_pids(path, &pids, err);
        if (count <= 0)
            return count;
        if (loop_now_ms() >= deadline)
            return bh_fail(err, ETIMEDOUT, "cgroup %s still has %d processes %d ms after SIGKILL (first: pid %d)", path,
                           count, timeout_ms, pids[0]);
        // Again each time: what was forked while the list was read is in the next one.
        if (backend()->signal(path, SIGKILL, err) < 0)
            return -1;
        await_empty(path, round);
    }
}

int cgroup_delete(const char *path, bh_error *err) {
    if (!(path = checked(path, err)))
        return -1;
    uint64_t deadline = loop_now_ms() + GONE_TIMEOUT_MS;
    for (int round = 0;; round++) {
        bh_error busy = {0};
        if (backend()->remove(path, &busy) == 0)
            return 0;
        // EBUSY: the last process has been reaped but has not left the group yet, or it made one more group below after
        // the walk had passed there.
        if (busy.code != EBUSY || loop_now_ms() >= deadline) {
            *err = busy;
            return -1;
        }
        await_empty(path, round);
    }
}
