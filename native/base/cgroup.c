// Control groups whatever the host's version: checks the path, then asks cgroup1.c or cgroup2.c. See cgroup.h.
#include "base/cgroup.h"
#include "base/cgroup_backend.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int cgroup_version(void) {
    static int version; // mounts of this kind do not change while a program runs
    if (version == 0) {
        cleanup_file FILE *mounts = fopen("/proc/self/mountinfo", "re");
        char mount[128];
        version = mounts && cgroup2_parse_mounts(mounts, true, mount, sizeof mount) ? 2 : 1;
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

int cgroup_read_usage(const char *path, cgroup_usage *usage, bh_error *err) {
    return (path = checked(path, err)) ? backend()->read_usage(path, usage, err) : -1;
}

int cgroup_read_pids(const char *path, pid_t **pids, bh_error *err) {
    return (path = checked(path, err)) ? backend()->read_pids(path, pids, err) : -1;
}

int cgroup_freeze(const char *path, bool frozen, bh_error *err) {
    return (path = checked(path, err)) ? backend()->freeze(path, frozen, err) : -1;
}

bool cgroup_is_frozen(const char *path) {
    bh_error ignored;
    return (path = checked(path, &ignored)) && backend()->is_frozen(path);
}

// Dying takes the kernel a moment and tells nobody on v1; so these two look again, soon at first, then less often.
static int pause_ms(int waited_ms) {
    int ms = waited_ms < 10 ? 1 : waited_ms < 100 ? 5 : 20;
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
    return ms;
}

int cgroup_kill_all(const char *path, int timeout_ms, bh_error *err) {
    if (!(path = checked(path, err)))
        return -1;
    for (int waited = 0;; waited += pause_ms(waited)) {
        cleanup_free pid_t *pids = NULL;
        int count = backend()->read_pids(path, &pids, err);
        if (count <= 0)
            return count;
        if (waited >= timeout_ms)
            return bh_fail(err, ETIMEDOUT, "cgroup %s still has %d processes %d ms after SIGKILL (first: pid %d)", path,
                           count, waited, pids[0]);
        // Again each time: what was forked while the list was read is in the next one.
        if (backend()->kill(path, err) < 0)
            return -1;
    }
}

int cgroup_delete(const char *path, bh_error *err) {
    if (!(path = checked(path, err)))
        return -1;
    for (int waited = 0;; waited += pause_ms(waited)) {
        bh_error busy = {0};
        if (backend()->remove(path, &busy) == 0)
            return 0;
        // EBUSY: the last process has been reaped but has not left the group yet.
        if (busy.code != EBUSY || waited >= 1000) {
            *err = busy;
            return -1;
        }
    }
}
