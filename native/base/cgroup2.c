// cgroup v2: one tree for all controllers. https://docs.kernel.org/admin-guide/cgroup-v2.html
#include "base/cgroup_backend.h"
#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { DELEGATED_GROUPS_MAX = 256, DELEGATED_DEPTH_MAX = 16 };

static const char *const wanted_controllers[] = {"cpu", "cpuset", "memory", "pids", "io"};

bool cgroup2_parse_mounts(FILE *mountinfo, bool alone, char *mount, size_t size) {
    char line[4096], point[128], type[32], options[512];
    bool found = false, v1 = false;
    while (fgets(line, sizeof line, mountinfo)) {
        const char *tail = strstr(line, " - ");
        if (!tail || sscanf(line, "%*s %*s %*s %*s %127s", point) != 1 ||
            sscanf(tail, " - %31s %*s %511s", type, options) != 2)
            continue;
        // A v1 mount without a controller ("name=systemd") takes nothing away from v2.
        if (strcmp(type, "cgroup") == 0 && !strstr(options, "name="))
            v1 = true;
        if (strcmp(type, "cgroup2") == 0 && !found)
            found = snprintf(mount, size, "%s", point) < (int)size;
    }
    return found && !(alone && v1);
}

static const char *root_directory(void) {
    static char mount[128];
    if (mount[0] == '\0') {
        cleanup_file FILE *mounts = fopen("/proc/self/mountinfo", "re");
        if (!mounts || !cgroup2_parse_mounts(mounts, false, mount, sizeof mount))
            snprintf(mount, sizeof mount, "/sys/fs/cgroup");
    }
    return mount;
}

static void directory_of(const char *path, char *directory, size_t size) {
    snprintf(directory, size, "%s/%s", root_directory(), path);
}

// Whether `name` is one of the words of `list`.
static bool has_word(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static int controllers(char *names, size_t size, bh_error *err) {
    char file[512];
    snprintf(file, sizeof file, "%s/cgroup.controllers", root_directory());
    if (fs_read(AT_FDCWD, file, names, size, err) < 0)
        return -1;
    for (char *space = names; (space = strchr(space, ' '));)
        *space = ',';
    return 0;
}

// Lets groups below `directory` have the controllers. What cannot be enabled is missed later, where a limit needs it,
// with an error that names it; a group that needs no limit must not fail for it here.
static void enable_below(const char *directory) {
    char available[512], enabled[512], file[600], word[32];
    bh_error ignored;
    snprintf(file, sizeof file, "%s/cgroup.controllers", directory);
    if (fs_read(AT_FDCWD, file, available, sizeof available, &ignored) < 0)
        return;
    snprintf(file, sizeof file, "%s/cgroup.subtree_control", directory);
    if (fs_read(AT_FDCWD, file, enabled, sizeof enabled, &ignored) < 0)
        return;
    for (size_t i = 0; i < sizeof wanted_controllers / sizeof *wanted_controllers; i++) {
        if (!has_word(available, wanted_controllers[i]) || has_word(enabled, wanted_controllers[i]))
            continue;
        snprintf(word, sizeof word, "+%s", wanted_controllers[i]);
        fs_write(AT_FDCWD, file, word, &ignored);
    }
}

static int create(const char *path, bh_error *err) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    // Cut the path at each slash in turn: the parent passes its controllers on before the child is made.
    for (char *slash = directory + strlen(root_directory()); slash;) {
        *slash = '\0';
        enable_below(directory);
        *slash = '/';
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
            return bh_fail(err, errno, "cannot create cgroup %s", directory);
    }
    return 0;
}

static int set_number(const char *directory, const char *file, int64_t value, bh_error *err) {
    return value < 0 ? 0 : cgroup_write_number(directory, file, value, err);
}

static int set_cpu(const char *directory, const cgroup_limits *limits, bh_error *err) {
    char file[600], value[64];
    if (limits->cpu_quota_us < 0)
        return 0;
    snprintf(file, sizeof file, "%s/cpu.max", directory);
    int64_t period = limits->cpu_period_us < 0 ? 100000 : limits->cpu_period_us;
    if (limits->cpu_quota_us == CGROUP_UNLIMITED)
        snprintf(value, sizeof value, "max %" PRId64, period);
    else
        snprintf(value, sizeof value, "%" PRId64 " %" PRId64, limits->cpu_quota_us, period);
    return fs_write(AT_FDCWD, file, value, err);
}

static int set_limits(const char *path, const cgroup_limits *limits, bh_error *err) {
    char directory[512];
    bh_error swap = {0};
    directory_of(path, directory, sizeof directory);
    if (set_number(directory, "memory.max", limits->memory_bytes, err) < 0 ||
        set_number(directory, "pids.max", limits->pids, err) < 0 || set_cpu(directory, limits, err) < 0 ||
        set_number(directory, "cpu.weight", limits->cpu_weight, err) < 0)
        return bh_wrap(err, "cgroup %s", path);
    // Swap on top of the limit would make it meaningless; a kernel without swap accounting has no such file.
    int64_t swap_bytes = limits->memory_bytes == CGROUP_UNLIMITED ? CGROUP_UNLIMITED : 0;
    if (limits->memory_bytes >= 0 && cgroup_write_number(directory, "memory.swap.max", swap_bytes, &swap) < 0 &&
        swap.code != ENOENT) {
        *err = swap;
        return -1;
    }
    return 0;
}

static int join_self(const char *path, bh_error *err) {
    char file[600];
    snprintf(file, sizeof file, "%s/%s/cgroup.procs", root_directory(), path);
    if (fs_write(AT_FDCWD, file, "0", err) < 0)
        return bh_wrap(err, "cannot join cgroup %s", path);
    return 0;
}

static int open_group(const char *path, bh_error *err) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? bh_fail(err, errno, "cannot open cgroup %s", directory) : fd;
}

static int kill_processes(const char *path, bh_error *err) {
    char directory[512], file[600];
    bh_error unsupported = {0};
    directory_of(path, directory, sizeof directory);
    snprintf(file, sizeof file, "%s/cgroup.kill", directory);
    if (fs_write(AT_FDCWD, file, "1", &unsupported) == 0)
        return 0;
    return cgroup_tree_kill(directory, err); // before Linux 5.14
}

static int remove_group(const char *path, bh_error *err) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    return cgroup_tree_remove(directory, err);
}

static int read_pids(const char *path, pid_t **pids, bh_error *err) {
    char directory[512];
    *pids = NULL;
    directory_of(path, directory, sizeof directory);
    return cgroup_tree_pids(directory, pids, err);
}

static int read_usage(const char *path, cgroup_usage *usage, bh_error *err) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    if (access(directory, F_OK) < 0)
        return bh_fail(err, errno, "cannot read the usage of cgroup %s", path);
    *usage = (cgroup_usage){
        .memory_bytes = cgroup_read_number(directory, "memory.current", NULL),
        .memory_peak_bytes = cgroup_read_number(directory, "memory.peak", NULL),
        .memory_kernel_bytes = cgroup_read_number(directory, "memory.stat", "kernel"),
        .cpu_usec = cgroup_read_number(directory, "cpu.stat", "usage_usec"),
        .pids = cgroup_read_number(directory, "pids.current", NULL),
        .oom_kills = cgroup_read_number(directory, "memory.events", "oom_kill"),
    };
    return 0;
}

static int freeze(const char *path, bool frozen, bh_error *err) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    if (cgroup_write_number(directory, "cgroup.freeze", frozen, err) < 0)
        return bh_wrap(err, "cannot freeze cgroup %s", path);
    for (int tries = 0; tries < 500; tries++) {
        if (cgroup_read_number(directory, "cgroup.events", "frozen") == frozen)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return bh_fail(err, ETIMEDOUT, "cgroup %s does not %s", path, frozen ? "freeze" : "thaw");
}

static int directories(const char *path, char found[][CGROUP_DIRECTORY_SIZE]) {
    directory_of(path, found[0], CGROUP_DIRECTORY_SIZE);
    return 1;
}

static bool is_frozen(const char *path) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    return cgroup_read_number(directory, "cgroup.events", "frozen") == 1;
}

static int write_setting(const char *path, const cgroup_setting *setting, bh_error *err) {
    char file[600];
    snprintf(file, sizeof file, "%s/%s/%s", root_directory(), path, setting->file);
    if (fs_write(AT_FDCWD, file, setting->value, err) < 0)
        return err->code == ENOENT ? bh_wrap(err, "is the %s controller enabled?", setting->controller) : -1;
    return 0;
}

static int delegate(const char *path, uid_t uid, gid_t gid, bh_error *err) {
    char directory[512], file[600], names[512], *rest = NULL;
    directory_of(path, directory, sizeof directory);
    // These two stay root's. Without them a delegate makes groups until the kernel's memory is full, or so deep a chain
    // of them that nobody who walks it down has descriptors enough to kill and remove what is in there.
    if (cgroup_write_number(directory, "cgroup.max.descendants", DELEGATED_GROUPS_MAX, err) < 0 ||
        cgroup_write_number(directory, "cgroup.max.depth", DELEGATED_DEPTH_MAX, err) < 0)
        return -1;
    if (chown(directory, uid, gid) < 0)
        return bh_fail(err, errno, "cannot hand over cgroup %s", directory);
    // The kernel's own list of what a delegate may write; the limits are not in it.
    if (fs_read(AT_FDCWD, "/sys/kernel/cgroup/delegate", names, sizeof names, err) < 0)
        return -1;
    for (char *name = strtok_r(names, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest)) {
        snprintf(file, sizeof file, "%s/%s", directory, name);
        if (chown(file, uid, gid) < 0 && errno != ENOENT)
            return bh_fail(err, errno, "cannot hand over %s", file);
    }
    return 0;
}

const cgroup_backend cgroup2_backend = {
    .controllers = controllers,
    .create = create,
    .set_limits = set_limits,
    .allow_devices = cgroup2_allow_devices,
    .join_self = join_self,
    .open = open_group,
    .kill = kill_processes,
    .remove = remove_group,
    .read_usage = read_usage,
    .read_pids = read_pids,
    .freeze = freeze,
    .directories = directories,
    .is_frozen = is_frozen,
    .write = write_setting,
    .delegate = delegate,
};
