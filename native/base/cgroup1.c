// cgroup v1: every controller a hierarchy of its own, mounted where the host likes, any of them missing.
// https://docs.kernel.org/admin-guide/cgroup-v1/
#include "base/cgroup_backend.h"
#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

// Controllers in which a container gets a group: of the seldom ones only when something is written there, for each
// costs a mkdir and a join. (perf_event limits nothing.)
enum { CPU, CPUACCT, CPUSET, MEMORY, PIDS, DEVICES, FREEZER, BLKIO, HUGETLB, NET_CLS, NET_PRIO, RDMA, CONTROLLERS };
static const char *const controller_names[CONTROLLERS] = {"cpu",     "cpuacct", "cpuset",   "memory",
                                                          "pids",    "devices", "freezer",  "blkio",
                                                          "hugetlb", "net_cls", "net_prio", "rdma"};
#define SELDOM (1u << HUGETLB | 1u << NET_CLS | 1u << NET_PRIO | 1u << RDMA)

// Says tcp, and means every kind of socket (kernel doc, cgroup-v1/memory).
#define SOCKET_LIMIT "memory.kmem.tcp.limit_in_bytes"

static cgroup1_hierarchy hierarchies[CGROUP1_MAX_HIERARCHIES];

int cgroup1_parse_mounts(FILE *mountinfo, cgroup_mount_check *shows, cgroup1_hierarchy *found) {
    int count = 0;
    unsigned seen = 0;
    char line[4096], mount[128], type[32], options[512];
    while (fgets(line, sizeof line, mountinfo) && count < CGROUP1_MAX_HIERARCHIES) {
        // "36 31 0:33 / /sys/fs/cgroup/devices rw,relatime shared:9 - cgroup cgroup rw,devices" (proc(5))
        const char *tail = strstr(line, " - ");
        if (!tail || strncmp(tail, " - cgroup", 9) != 0 || sscanf(line, "%*s %*s %*s %*s %127s", mount) != 1 ||
            sscanf(tail, " - %31s %*s %511s", type, options) != 2 || strcmp(type, "cgroup") != 0)
            continue;
        unsigned here = 0;
        char *rest = NULL;
        for (char *option = strtok_r(options, ",", &rest); option; option = strtok_r(NULL, ",", &rest))
            for (unsigned i = 0; i < CONTROLLERS; i++)
                if (strcmp(option, controller_names[i]) == 0)
                    here |= 1u << i;
        // A hierarchy that is mounted twice is used once.
        if (here == 0 || (here & seen) || (shows && !shows(mount, CGROUP_SUPER_MAGIC)))
            continue;
        seen |= here;
        memcpy(found[count].mount, mount, sizeof mount);
        found[count++].controllers = here;
    }
    return count;
}

static bool table_unread; // the kernel's table of mounts, so that a hierarchy may be missing

static int hierarchy_count(void) {
    static int count = -1;
    if (count < 0) {
        cleanup_file FILE *mounts = cgroup_mountinfo();
        count = mounts ? cgroup1_parse_mounts(mounts, cgroup_mount_is_visible, hierarchies) : 0;
        table_unread = !mounts || ferror(mounts);
    }
    return count;
}

#define for_each_hierarchy(h) for (cgroup1_hierarchy *h = hierarchies; h < hierarchies + hierarchy_count(); h++)

static void directory_of(const cgroup1_hierarchy *h, const char *path, char *directory, size_t size) {
    snprintf(directory, size, "%s/%s", h->mount, path);
}

// Whether the group has nothing to do in this hierarchy.
static bool is_left_out(const cgroup1_hierarchy *h, const char *path) {
    char directory[512];
    directory_of(h, path, directory, sizeof directory);
    return !(h->controllers & ~SELDOM) && access(directory, F_OK) < 0;
}

// The group's directory in the hierarchy of one controller. False where that controller is missing.
static bool find_directory(unsigned controller, const char *path, char *directory, size_t size) {
    for_each_hierarchy(h) {
        if (h->controllers & 1u << controller) {
            directory_of(h, path, directory, size);
            return true;
        }
    }
    return false;
}

static int controllers(char *names, size_t size, bh_error *err) {
    names[0] = '\0';
    char mount[512];
    for (unsigned i = 0; i < CONTROLLERS; i++) {
        if (!find_directory(i, "", mount, sizeof mount))
            continue;
        if (strlen(names) + strlen(controller_names[i]) + 2 > size)
            return bh_fail(err, ENOSPC, "cannot list the cgroup controllers");
        if (names[0])
            strcat(names, ",");
        strcat(names, controller_names[i]);
    }
    return 0;
}

// Why a limit cannot be had here, and where it could be. `file`: what was to be written or read, for the message.
static int fail_missing(unsigned controller, const char *file, bh_error *err) {
    // Of the same name on v2 but for two; devices and freezer are no controllers there.
    const char *name = controller_names[controller], *name2 = controller == BLKIO     ? "io"
                                                              : controller == CPUACCT ? "cpu"
                                                                                      : name;
    char list[512], words[512];
    bh_error ignored;
    snprintf(list, sizeof list, "%s/cgroup.controllers", cgroup2_root());
    if (fs_read(AT_FDCWD, list, words, sizeof words, &ignored) >= 0 && cgroup2_has_word(words, name2))
        return bh_fail(err, 0,
                       "no %s: this host has the %s cgroup controller on v2 (%s) beside others on v1; boot it with one "
                       "version (systemd.unified_cgroup_hierarchy=1)",
                       file, name2, cgroup2_root());
    return bh_fail(err, 0,
                   "no %s: this host has no %s cgroup controller mounted (mount -t cgroup -o %s cgroup DIRECTORY)",
                   file, name, name);
}

enum { CPUSET_TRIES = 100 };

// A new cpuset is empty, and nothing can join it until it is filled: what the parent has, the child gets.
static int inherit_cpuset(const char *parent, const char *directory, bh_error *err) {
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    for (size_t i = 0; i < 2; i++) {
        char path[512], value[1024];
        snprintf(path, sizeof path, "%s/%s", parent, files[i]);
        // An empty parent may have been made a moment ago by another runtime, which is about to fill it.
        for (int tries = 0; tries < CPUSET_TRIES; tries++) {
            if (fs_read(AT_FDCWD, path, value, sizeof value, err) < 0)
                return -1;
            if (*value)
                break;
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        // Its maker was killed before filling it. No process can be in an empty cpuset, so nobody's is changed by that.
        char above[512];
        snprintf(above, sizeof above, "%.*s", (int)(strrchr(parent, '/') - parent), parent);
        if (!*value &&
            (inherit_cpuset(above, parent, err) < 0 || fs_read(AT_FDCWD, path, value, sizeof value, err) < 0))
            return bh_wrap(err, "%s is empty, so nothing can run below", path);
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        if (fs_write(AT_FDCWD, path, value, err) < 0)
            return -1;
    }
    return 0;
}

// What waits in sockets, of whatever protocol, is not in memory.usage_in_bytes here. It has a count of its own, which
// starts when a limit is written, in each group for itself; no limit (-1) does. A kernel without it has no such file.
static void count_sockets(const char *directory) {
    char file[600];
    bh_error ignored;
    snprintf(file, sizeof file, "%s/" SOCKET_LIMIT, directory);
    fs_write(AT_FDCWD, file, "-1", &ignored);
}

// Returns whether it was made, and not there already.
static int make_group(const cgroup1_hierarchy *h, const char *directory, bh_error *err) {
    char parent[512];
    int made = cgroup_tree_make(directory, err);
    if (made <= 0)
        return made;
    if (h->controllers & 1u << MEMORY)
        count_sockets(directory);
    if (!(h->controllers & 1u << CPUSET))
        return 1;
    snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(directory, '/') - directory), directory);
    if (inherit_cpuset(parent, directory, err) == 0)
        return 1;
    rmdir(directory); // or it would be found there, empty, the next time
    return -1;
}

// Returns whether the group itself was made.
static int create_in(const cgroup1_hierarchy *h, const char *path, bh_error *err) {
    char directory[512];
    bh_error missing = {0};
    directory_of(h, path, directory, sizeof directory);
    // Mostly the groups above it are there.
    int made = make_group(h, directory, &missing);
    if (made >= 0)
        return made;
    if (missing.code != ENOENT) {
        *err = missing;
        return -1;
    }
    // Each part of the path in turn, from just below the hierarchy's root.
    for (char *part = directory + strlen(h->mount) + 1; part;) {
        char *slash = strchr(part, '/');
        if (slash)
            *slash = '\0';
        if ((made = make_group(h, directory, err)) < 0)
            return -1;
        if (slash)
            *slash++ = '/';
        part = slash;
    }
    return made;
}

static int create(const char *path, bh_error *err) {
    unsigned made = 0;
    for_each_hierarchy(h) {
        int result = h->controllers & ~SELDOM ? create_in(h, path, err) : 0;
        if (result > 0)
            made |= 1u << (h - hierarchies);
        if (result >= 0)
            continue;
        // Nobody will ask for half a group to be removed.
        char directory[512];
        for (cgroup1_hierarchy *before = hierarchies; before < h; before++) {
            directory_of(before, path, directory, sizeof directory);
            if (made & 1u << (before - hierarchies))
                rmdir(directory);
        }
        return -1;
    }
    return 0;
}

// Writes `value` for one controller; negative values mean "leave it".
static int set_number(unsigned controller, const char *path, const char *file, int64_t value, bh_error *err) {
    char directory[512];
    if (value < 0)
        return 0;
    if (!find_directory(controller, path, directory, sizeof directory))
        return fail_missing(controller, file, err);
    // Of v1's controllers only pids has the word "max".
    return cgroup_write_number(directory, file, value == CGROUP_UNLIMITED && controller != PIDS ? -1 : value, err);
}

static int set_memory(const char *path, int64_t bytes, bh_error *err) {
    char directory[512];
    bh_error first = {0};
    if (bytes < 0)
        return 0;
    // memory + swap may never be less than memory, so which of the two goes first depends on the old values.
    bool early = set_number(MEMORY, path, "memory.limit_in_bytes", bytes, &first) < 0;
    if (early && first.code != EINVAL) {
        *err = first;
        return -1;
    }
    if (find_directory(MEMORY, path, directory, sizeof directory) &&
        cgroup_write_number(directory, "memory.memsw.limit_in_bytes", bytes == CGROUP_UNLIMITED ? -1 : bytes, err) <
            0 &&
        err->code != ENOENT)
        return -1; // ENOENT: the kernel does not count swap
    // On top of the limit, for this is counted apart: 1,000 sockets that nobody reads held 480 MB of a container of
    // 128.
    if (cgroup_write_number(directory, SOCKET_LIMIT, bytes / 8, err) < 0 && err->code != ENOENT)
        return -1;
    return early ? set_number(MEMORY, path, "memory.limit_in_bytes", bytes, err) : 0;
}

static int set_limits(const char *path, const cgroup_limits *limits, bh_error *err) {
    // Not back from a weight where there were shares: 512 would become 500.
    int64_t shares = limits->cpu_shares >= 0 || limits->cpu_weight < 0 ? limits->cpu_shares
                                                                       : 2 + (limits->cpu_weight - 1) * 262142 / 9999;
    const char *failed = NULL;
    if (set_memory(path, limits->memory_bytes, err) < 0)
        failed = "memory.limit";
    else if (set_number(PIDS, path, "pids.max", limits->pids, err) < 0)
        failed = "pids.limit";
    else if (set_number(CPU, path, "cpu.cfs_period_us", limits->cpu_period_us, err) < 0)
        failed = "cpu.period";
    else if (set_number(CPU, path, "cpu.cfs_quota_us", limits->cpu_quota_us, err) < 0)
        failed = "cpu.quota";
    else if (set_number(CPU, path, "cpu.shares", shares, err) < 0)
        failed = "cpu.shares";
    if (!failed)
        return 0;
    cgroup_limit_failed(limits, failed, err);
    return bh_wrap(err, "cgroup %s", path);
}

static void device_number(int64_t number, char *text, size_t size) {
    if (number < 0)
        snprintf(text, size, "*");
    else
        snprintf(text, size, "%" PRId64, number);
}

static int allow_devices(const char *path, const cgroup_device *rules, size_t count, bh_error *err) {
    char directory[512], file[600], rule[96], major[24], minor[24];
    if (count == 0)
        return 0;
    if (!find_directory(DEVICES, path, directory, sizeof directory))
        return fail_missing(DEVICES, "devices.allow", err), bh_wrap(err, "cgroup %s", path);
    snprintf(file, sizeof file, "%s/devices.allow", directory);
    cleanup_fd int allow = open(file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    snprintf(file, sizeof file, "%s/devices.deny", directory);
    cleanup_fd int deny = open(file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (allow < 0 || deny < 0)
        return bh_fail(err, errno, "cannot open devices.allow and devices.deny of cgroup %s", directory);
    for (size_t i = 0; i < count; i++) {
        device_number(rules[i].major, major, sizeof major);
        device_number(rules[i].minor, minor, sizeof minor);
        if (rules[i].type == 'a')
            snprintf(rule, sizeof rule, "a");
        else
            snprintf(rule, sizeof rule, "%c %s:%s %s", rules[i].type, major, minor, rules[i].access);
        // One write a rule (kernel doc, cgroup-v1/devices).
        if (write(rules[i].allow ? allow : deny, rule, strlen(rule)) < 0)
            return bh_fail(err, errno, "cannot %s device \"%s\" in cgroup %s", rules[i].allow ? "allow" : "deny", rule,
                           directory);
    }
    return 0;
}

static int join_self(const char *path, bh_error *err) {
    char file[512];
    if (hierarchy_count() >= 0 && table_unread) // who joins some hierarchies only is limited in some things only
        return bh_fail(err, EIO, "cannot join cgroup %s: cannot read /proc/self/mountinfo", path);
    for_each_hierarchy(h) {
        // "0" is the writer itself, so the kernel moves one thread without stopping every fork on the machine, which
        // a pid in cgroup.procs makes it do (cgroup_threadgroup_rwsem; an idle machine takes 11 ms for that).
        snprintf(file, sizeof file, "%s/%s/tasks", h->mount, path);
        if (is_left_out(h, path) || fs_write(AT_FDCWD, file, "0", err) == 0)
            continue;
        return err->code == ENOSPC && h->controllers & 1u << CPUSET
                   ? bh_wrap(err, "cannot join cgroup %s, whose cpuset.cpus or cpuset.mems is empty", path)
                   : bh_wrap(err, "cannot join cgroup %s", path);
    }
    return 0;
}

static int open_group(const char *path, bh_error *err) {
    return bh_fail(err, ENOTSUP, "cannot open cgroup %s for clone3: this host has cgroup v1", path);
}

// Any one hierarchy tells which processes are in the group, whichever there is; one of ours always holds all of them.
static bool main_directory(const char *path, char *directory, size_t size, bh_error *err) {
    for_each_hierarchy(h) {
        if (is_left_out(h, path))
            continue;
        directory_of(h, path, directory, size);
        return true;
    }
    bh_fail(err, 0,
            "cannot find cgroup %s: no cgroup is mounted here, v1 or v2 (mount -t cgroup2 cgroup2 /sys/fs/cgroup)",
            path);
    return false;
}

static int read_pids(const char *path, pid_t **pids, bh_error *err) {
    char directory[512];
    *pids = NULL;
    return main_directory(path, directory, sizeof directory, err) ? cgroup_tree_pids(directory, pids, err) : -1;
}

static void set_freezer_state(const char *path, const char *state) {
    char directory[512], file[600];
    bh_error ignored;
    if (!find_directory(FREEZER, path, directory, sizeof directory))
        return;
    snprintf(file, sizeof file, "%s/freezer.state", directory);
    fs_write(AT_FDCWD, file, state, &ignored);
}

static int signal_processes(const char *path, int number, bh_error *err) {
    char directory[512], limit[512];
    bh_error ignored;
    if (!main_directory(path, directory, sizeof directory, err))
        return -1;
    if (number != SIGKILL)
        return cgroup_tree_signal(directory, number, err);
    // So that nothing can fork its way past the list of those to kill.
    if (find_directory(PIDS, path, limit, sizeof limit))
        cgroup_write_number(limit, "pids.max", 0, &ignored);
    else
        set_freezer_state(path, "FROZEN");
    int result = cgroup_tree_signal(directory, SIGKILL, err);
    set_freezer_state(path, "THAWED"); // what is frozen does not die on v1
    return result;
}

static int remove_group(const char *path, bh_error *err) {
    char directory[512];
    for_each_hierarchy(h) {
        directory_of(h, path, directory, sizeof directory);
        if (cgroup_tree_remove(directory, err) < 0)
            return -1;
    }
    return 0;
}

static unsigned controller_of(const char *name) {
    unsigned controller = 0;
    while (controller < CONTROLLERS && strcmp(controller_names[controller], name) != 0)
        controller++;
    return controller;
}

static bool find_by_name(const char *path, const char *controller, char directory[CGROUP_DIRECTORY_SIZE]) {
    return find_directory(controller_of(controller), path, directory, CGROUP_DIRECTORY_SIZE);
}

static int freeze(const char *path, bool frozen, bh_error *err) {
    char directory[512], file[600], state[32];
    if (!find_directory(FREEZER, path, directory, sizeof directory))
        return fail_missing(FREEZER, "freezer.state", err), bh_wrap(err, "cannot freeze cgroup %s", path);
    snprintf(file, sizeof file, "%s/freezer.state", directory);
    const char *wanted = frozen ? "FROZEN" : "THAWED";
    // A process that is being born can keep the state at FREEZING; writing again moves it on (kernel doc, freezer).
    for (int tries = 0; tries < 500; tries++) {
        if (fs_write(AT_FDCWD, file, wanted, err) < 0 || fs_read(AT_FDCWD, file, state, sizeof state, err) < 0)
            return -1;
        if (strcmp(state, wanted) == 0)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return bh_fail(err, ETIMEDOUT, "cgroup %s stays %s", path, state);
}

static int directories(const char *path, char found[][CGROUP_DIRECTORY_SIZE]) {
    int count = 0;
    for_each_hierarchy(h) {
        if (!is_left_out(h, path))
            directory_of(h, path, found[count++], CGROUP_DIRECTORY_SIZE);
    }
    return count;
}

static bool is_frozen(const char *path) {
    char directory[512], file[600], state[32];
    bh_error ignored;
    if (!find_directory(FREEZER, path, directory, sizeof directory))
        return false;
    snprintf(file, sizeof file, "%s/freezer.state", directory);
    return fs_read(AT_FDCWD, file, state, sizeof state, &ignored) > 0 && strcmp(state, "FROZEN") == 0;
}

// Also in a hierarchy that the group had nothing to do in until now.
static int write_setting(const char *path, const cgroup_setting *setting, bh_error *err) {
    char directory[512], file[600];
    unsigned controller = controller_of(setting->controller);
    if (controller == CONTROLLERS)
        return bh_fail(err, 0, "cgroup v1 has no %s controller", setting->controller);
    if (!find_directory(controller, path, directory, sizeof directory))
        return fail_missing(controller, setting->file, err);
    for_each_hierarchy(h) {
        if (h->controllers & 1u << controller && create_in(h, path, err) < 0)
            return -1;
    }
    snprintf(file, sizeof file, "%s/%s", directory, setting->file);
    return fs_write(AT_FDCWD, file, setting->value, err);
}

static int delegate(const char *path, uid_t uid, gid_t gid, bh_error *err) {
    // v1 has no safe delegation: whoever owns a directory there also owns its limits and release_agent.
    return bh_fail(err, ENOTSUP, "cannot hand cgroup %s to user %u group %u: this host has cgroup v1", path, uid, gid);
}

const cgroup_backend cgroup1_backend = {
    .controllers = controllers,
    .create = create,
    .set_limits = set_limits,
    .allow_devices = allow_devices,
    .join_self = join_self,
    .open = open_group,
    .signal = signal_processes,
    .remove = remove_group,
    .find_directory = find_by_name,
    .read_pids = read_pids,
    .freeze = freeze,
    .directories = directories,
    .is_frozen = is_frozen,
    .write = write_setting,
    .delegate = delegate,
};
