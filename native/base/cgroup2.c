// cgroup v2: one tree for all controllers. https://docs.kernel.org/admin-guide/cgroup-v2.html
#include "base/cgroup_backend.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

enum { DELEGATED_GROUPS_MAX = 256, DELEGATED_DEPTH_MAX = 16, FREEZE_TIMEOUT_MS = 1000 };

// Whether a v1 mount with these options has what limits need. One of net_cls alone, as VPN software mounts it on a v2
// host, or of systemd's own ("name=systemd") takes nothing away from v2.
static bool limits_on_v1(char *options) {
    static const char *const names[] = {"cpu", "cpuacct", "cpuset", "memory", "pids", "blkio"};
    char *rest = NULL;
    for (char *option = strtok_r(options, ",", &rest); option; option = strtok_r(NULL, ",", &rest))
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (strcmp(option, names[i]) == 0)
                return true;
    return false;
}

bool cgroup2_parse_mounts(FILE *mountinfo, cgroup_mount_check *shows, bool alone, char *mount, size_t size) {
    char line[4096], point[128], type[32], options[512];
    bool found = false, v1 = false;
    while (fgets(line, sizeof line, mountinfo)) {
        const char *tail = strstr(line, " - ");
        if (!tail || strncmp(tail, " - cgroup", 9) != 0 || sscanf(line, "%*s %*s %*s %*s %127s", point) != 1 ||
            sscanf(tail, " - %31s %*s %511s", type, options) != 2)
            continue;
        if (strcmp(type, "cgroup") == 0 && limits_on_v1(options) && (!shows || shows(point, CGROUP_SUPER_MAGIC)))
            v1 = true;
        if (strcmp(type, "cgroup2") == 0 && !found && (!shows || shows(point, CGROUP2_SUPER_MAGIC)))
            found = snprintf(mount, size, "%s", point) < (int)size;
    }
    return found && !(alone && v1);
}

const char *cgroup2_root(void) {
    static char mount[128];
    if (mount[0] == '\0') {
        cleanup_file FILE *mounts = cgroup_mountinfo();
        if (!mounts || !cgroup2_parse_mounts(mounts, cgroup_mount_is_visible, false, mount, sizeof mount))
            snprintf(mount, sizeof mount, "/sys/fs/cgroup");
    }
    return mount;
}

static void directory_of(const char *path, char *directory, size_t size) {
    snprintf(directory, size, "%s/%s", cgroup2_root(), path);
}

static int controllers(char *names, size_t size, bh_error *err) {
    char file[512];
    snprintf(file, sizeof file, "%s/cgroup.controllers", cgroup2_root());
    if (fs_read(AT_FDCWD, file, names, size, err) < 0)
        return -1;
    for (char *space = names; (space = strchr(space, ' '));)
        *space = ',';
    return 0;
}

static int create(const char *path, bh_error *err) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    // Cut the path at each slash in turn: the parent passes its controllers on before the child is made.
    for (char *slash = directory + strlen(cgroup2_root()); slash;) {
        *slash = '\0';
        cgroup2_enable_below(directory);
        *slash = '/';
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (cgroup_tree_make(directory, err) < 0)
            return -1;
    }
    return 0;
}

// Writes one line to a file of the group. Where the file is missing, its controller (the name up to the dot) may not
// have been asked for yet, be held back from this group, or have no such file in this kernel.
static int write_line(const char *path, const char *file, const char *value, bh_error *err) {
    char whole[600], controller[32], controllers_here[512];
    bh_error ignored;
    snprintf(whole, sizeof whole, "%s/%s/%s", cgroup2_root(), path, file);
    if (fs_write(AT_FDCWD, whole, value, err) == 0)
        return 0;
    if (err->code != ENOENT)
        return -1;
    snprintf(controller, sizeof controller, "%.*s", (int)strcspn(file, "."), file);
    snprintf(whole, sizeof whole, "%s/%s/cgroup.controllers", cgroup2_root(), path);
    if (fs_read(AT_FDCWD, whole, controllers_here, sizeof controllers_here, &ignored) >= 0 &&
        cgroup2_has_word(controllers_here, controller))
        return bh_fail(err, ENOENT, "this kernel's %s controller has no %s for groups of cgroup v2", controller, file);
    snprintf(whole, sizeof whole, "%s/%s/%s", cgroup2_root(), path, file);
    return cgroup2_pass_on(cgroup2_root(), path, controller, err) < 0 ? -1 : fs_write(AT_FDCWD, whole, value, err);
}

static int set_number(const char *path, const char *file, int64_t value, const cgroup_limits *limits, const char *field,
                      bh_error *err) {
    char text[32];
    if (value < 0)
        return 0;
    if (value == CGROUP_UNLIMITED)
        strcpy(text, "max");
    else
        snprintf(text, sizeof text, "%" PRId64, value);
    return write_line(path, file, text, err) < 0 ? cgroup_limit_failed(limits, field, err) : 0;
}

// "quota period"; a line with the quota alone leaves the period as it is, so for the period alone the quota is read.
static int set_cpu(const char *path, const cgroup_limits *limits, bh_error *err) {
    char file[600], quota[64], value[128];
    bh_error ignored;
    if (limits->cpu_quota_us < 0 && limits->cpu_period_us < 0)
        return 0;
    snprintf(file, sizeof file, "%s/%s/cpu.max", cgroup2_root(), path);
    strcpy(quota, "max");
    if (limits->cpu_quota_us >= 0 && limits->cpu_quota_us != CGROUP_UNLIMITED)
        snprintf(quota, sizeof quota, "%" PRId64, limits->cpu_quota_us);
    else if (limits->cpu_quota_us < 0 && fs_read(AT_FDCWD, file, quota, sizeof quota, &ignored) > 0)
        quota[strcspn(quota, " ")] = '\0';
    if (limits->cpu_period_us >= 0)
        snprintf(value, sizeof value, "%s %" PRId64, quota, limits->cpu_period_us);
    else
        snprintf(value, sizeof value, "%s", quota);
    if (write_line(path, "cpu.max", value, err) < 0)
        return cgroup_limit_failed(limits, limits->cpu_quota_us < 0 ? "cpu.period" : "cpu.quota", err);
    return 0;
}

static int set_limits(const char *path, const cgroup_limits *limits, bh_error *err) {
    char directory[512];
    bh_error swap = {0};
    directory_of(path, directory, sizeof directory);
    if (set_number(path, "memory.max", limits->memory_bytes, limits, "memory.limit", err) < 0 ||
        set_number(path, "pids.max", limits->pids, limits, "pids.limit", err) < 0 || set_cpu(path, limits, err) < 0 ||
        set_number(path, "cpu.weight", limits->cpu_weight, limits, "cpu.shares", err) < 0)
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
    snprintf(file, sizeof file, "%s/%s/cgroup.procs", cgroup2_root(), path);
    if (fs_write(AT_FDCWD, file, "0", err) < 0)
        return bh_wrap(err, "cannot join cgroup %s", path);
    return 0;
}

static int open_group(const char *path, bh_error *err) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    cleanup_fd int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return bh_fail(err, errno, "cannot open cgroup %s", directory);
    // clone3 would say EOPNOTSUPP, and no more.
    char type[64];
    if (fs_read(fd, "cgroup.type", type, sizeof type, err) < 0)
        return -1;
    if (strcmp(type, "domain invalid") == 0 || strcmp(type, "threaded") == 0)
        return bh_fail(err, EOPNOTSUPP,
                       "no process can be made in cgroup %s, which is \"%s\" (cgroup.type): one above it is threaded; "
                       "name a group outside of that one",
                       directory, type);
    return take_fd(&fd);
}

static int signal_processes(const char *path, int number, bh_error *err) {
    char directory[512], file[600];
    bh_error unsupported = {0};
    directory_of(path, directory, sizeof directory);
    snprintf(file, sizeof file, "%s/cgroup.kill", directory);
    // At once in all groups below, also for what is frozen or about to be forked (Linux 5.14).
    if (number == SIGKILL && fs_write(AT_FDCWD, file, "1", &unsupported) == 0)
        return 0;
    return cgroup_tree_signal(directory, number, err);
}

bool cgroup2_await(const char *directory, const char *key, int64_t wanted, unsigned timeout_ms) {
    char file[600], text[512];
    snprintf(file, sizeof file, "%s/cgroup.events", directory);
    cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC);
    uint64_t deadline = loop_now_ms() + timeout_ms;
    for (;;) {
        // poll(2) tells of a change since this file was last read through this descriptor.
        ssize_t length = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
        if (length < 0)
            return false;
        text[length] = '\0';
        if (cgroup_find_number(text, key) == wanted)
            return true;
        uint64_t now = loop_now_ms();
        if (now >= deadline)
            return false;
        poll(&(struct pollfd){.fd = fd, .events = POLLPRI}, 1, (int)(deadline - now));
    }
}

static void await_empty(const char *path, unsigned timeout_ms) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    cgroup2_await(directory, "populated", 0, timeout_ms);
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

static bool find_directory(const char *path, const char *controller, char directory[CGROUP_DIRECTORY_SIZE]) {
    (void)controller; // all are in one tree
    directory_of(path, directory, CGROUP_DIRECTORY_SIZE);
    return true;
}

static int freeze(const char *path, bool frozen, bh_error *err) {
    char directory[512];
    directory_of(path, directory, sizeof directory);
    const char *act = frozen ? "freeze" : "thaw";
    if (cgroup_write_number(directory, "cgroup.freeze", frozen, err) < 0)
        return bh_wrap(err, "cannot %s cgroup %s", act, path);
    if (cgroup2_await(directory, "frozen", frozen, FREEZE_TIMEOUT_MS))
        return 0;
    return bh_fail(err, ETIMEDOUT, "cgroup %s does not %s (%s)", path, act,
                   frozen ? "a process in it may be stuck in the kernel" : "is a group above it frozen?");
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
    if (write_line(path, setting->file, setting->value, err) == 0)
        return 0;
    if (strcmp(setting->file, "io.weight") == 0 && err->code == EOPNOTSUPP)
        return bh_wrap(err, "nothing weighs this disk (see io.cost.qos in the kernel's cgroup-v2)");
    return -1;
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
    .signal = signal_processes,
    .await_empty = await_empty,
    .remove = remove_group,
    .find_directory = find_directory,
    .read_pids = read_pids,
    .freeze = freeze,
    .directories = directories,
    .is_frozen = is_frozen,
    .write = write_setting,
    .delegate = delegate,
};
