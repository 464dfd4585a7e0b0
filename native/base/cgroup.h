// Control groups on both kinds of host: v1 with its hierarchies mounted one by one (any of them may be missing), and
// v2. A group is named by a path relative to every hierarchy's root, such as "bulkhead/ab12". Only groups made here
// are ever changed or removed, and nothing is mounted or unmounted.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// A field of this value: any limit there is goes.
#define CGROUP_UNLIMITED INT64_MAX

// A field that is negative is left at the kernel's default, or as it is.
typedef struct cgroup_limits {
    int64_t memory_bytes;  // memory.max / memory.limit_in_bytes; swap is not added to it
    int64_t pids;          // pids.max
    int64_t cpu_quota_us;  // with cpu_period_us: cpu.max / cpu.cfs_quota_us
    int64_t cpu_period_us; // 100000 in a new group
    int64_t cpu_weight;    // v2's, 1..10000 about 100 (on v1, without cpu_shares: converted)
    int64_t cpu_shares;    // v1's, 2..262144 about 1024; nothing on v2
    char origin[32];       // for errors: where the limits were read, such as "linux.resources"; or empty
} cgroup_limits;

#define CGROUP_NO_LIMITS ((cgroup_limits){-1, -1, -1, -1, -1, -1, ""})

// One line of a device list: what processes in the group may do with the devices it names.
typedef struct cgroup_device {
    bool allow;
    char type;            // 'b', 'c', or 'a' for both
    int64_t major, minor; // -1: any
    char access[4];       // some of "rwm": read, write, mknod
} cgroup_device;

// A line for one file of a group; which one depends on the host's version.
typedef struct cgroup_setting {
    char field[96]; // of config.json, for errors
    char controller[16], file[48];
    char value[256];
} cgroup_setting;

// 2 on a unified host, 1 otherwise (also where an empty v2 tree is mounted beside v1's).
int cgroup_version(void);
// Comma-separated names of the controllers that can be used here, in `names` ("cpu,memory,pids"). 0 or negative.
int cgroup_controllers(char *names, size_t size, bh_error *err);

// Makes the group, in every hierarchy, with parents where they are missing, and sets its limits. One that is there
// already is taken as it is and limited. On failure what was made stays for cgroup_delete.
int cgroup_create(const char *path, const cgroup_limits *limits, bh_error *err);
// Changes the limits of a group that exists; negative fields stay as they are.
int cgroup_set_limits(const char *path, const cgroup_limits *limits, bh_error *err);
// Writes each setting, in order.
int cgroup_apply(const char *path, const cgroup_setting *settings, size_t count, bh_error *err);
// Applies the rules in order, later ones winning. v1: the devices controller; v2: a BPF program on the group.
int cgroup_allow_devices(const char *path, const cgroup_device *rules, size_t count, bh_error *err);
// v2: hands the group to this user, who may then make groups below it but not change its limits
// (/sys/kernel/cgroup/delegate). On v1, where delegation is not safe, it fails with err->code ENOTSUP.
int cgroup_delegate(const char *path, uid_t uid, gid_t gid, bh_error *err);
// Moves the calling thread (which must be its process's only one) into the group in every hierarchy. On v1 it writes
// "0" to `tasks`: 0.2 ms, where writing a pid to cgroup.procs takes 11 ms on an idle machine.
int cgroup_join_self(const char *path, bh_error *err);
// v2 only: an O_PATH fd of the group for clone3(CLONE_INTO_CGROUP); -1 with err->code ENOTSUP on v1.
int cgroup_open(const char *path, bh_error *err);
// Sends `number` to every process in the group and in those below it; SIGKILL wakes what is frozen, to die.
int cgroup_signal(const char *path, int number, bh_error *err);
// Every process in the group and in those below it is killed; returns when the group is empty, or fails after
// `timeout_ms`.
int cgroup_kill_all(const char *path, int timeout_ms, bh_error *err);
// Removes the group and those below it from every hierarchy. It must be empty. A group that is already gone is success.
int cgroup_delete(const char *path, bh_error *err);
// The group's directory in each hierarchy. Returns their number.
enum { CGROUP_DIRECTORIES_MAX = 16, CGROUP_DIRECTORY_SIZE = 512 };
int cgroup_directories(const char *path, char directories[][CGROUP_DIRECTORY_SIZE], bh_error *err);
// The group's directory where this controller is ("memory", v1's "cpuacct"). 1; 0 where the controller is missing.
int cgroup_find_directory(const char *path, const char *controller, char directory[CGROUP_DIRECTORY_SIZE],
                          bh_error *err);
// The pids in the group and those below it, as this process's pid namespace sees them. Returns the count or negative;
// *pids is malloc'ed.
int cgroup_read_pids(const char *path, pid_t **pids, bh_error *err);
int cgroup_freeze(const char *path, bool frozen, bh_error *err);
// Whether it is frozen now; false also where there is no such group.
bool cgroup_is_frozen(const char *path);
