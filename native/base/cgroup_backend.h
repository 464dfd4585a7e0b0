// What cgroup.c needs from a cgroup version, and the walks over a cgroup directory that both versions share.
#pragma once

#include "base/cgroup.h"

#include <stdio.h>

// The functions mean what their namesakes in cgroup.h say; paths have been checked and have no leading slash.
typedef struct cgroup_backend {
    int (*controllers)(char *names, size_t size, bh_error *err);
    int (*create)(const char *path, bh_error *err);
    int (*set_limits)(const char *path, const cgroup_limits *limits, bh_error *err);
    int (*allow_devices)(const char *path, const cgroup_device *rules, size_t count, bh_error *err);
    int (*join_self)(const char *path, bh_error *err);
    int (*open)(const char *path, bh_error *err);
    int (*signal)(const char *path, int number, bh_error *err); // once, to all that are there now
    void (*await_empty)(const char *path, unsigned timeout_ms); // NULL: the kernel tells nobody
    int (*remove)(const char *path, bh_error *err);
    bool (*find_directory)(const char *path, const char *controller, char directory[CGROUP_DIRECTORY_SIZE]);
    int (*read_pids)(const char *path, pid_t **pids, bh_error *err);
    int (*freeze)(const char *path, bool frozen, bh_error *err);
    int (*directories)(const char *path, char directories[][CGROUP_DIRECTORY_SIZE]);
    bool (*is_frozen)(const char *path);
    int (*write)(const char *path, const cgroup_setting *setting, bh_error *err);
    int (*delegate)(const char *path, uid_t uid, gid_t gid, bh_error *err);
} cgroup_backend;

extern const cgroup_backend cgroup1_backend, cgroup2_backend;

// One v1 hierarchy: where it is mounted and the controllers of CGROUP1_CONTROLLERS on it, a bit each.
typedef struct cgroup1_hierarchy {
    char mount[128];
    unsigned controllers;
} cgroup1_hierarchy;

#define CGROUP1_MAX_HIERARCHIES 16
// Whether a mount point of mountinfo shows this file system (linux/magic.h) and not something mounted over it. Where
// one is asked for, NULL believes mountinfo.
typedef bool cgroup_mount_check(const char *mount, uint32_t magic);
bool cgroup_mount_is_visible(const char *mount, uint32_t magic);
// /proc/self/mountinfo as it was when first asked for: mounts of this kind do not change while a program runs, and a
// launch that has the kernel write the list twice pays as much for it as for making a mount. NULL where it cannot be
// read.
FILE *cgroup_mountinfo(void);
// Finds the v1 hierarchies in the text of /proc/self/mountinfo. Returns their number.
int cgroup1_parse_mounts(FILE *mountinfo, cgroup_mount_check *shows, cgroup1_hierarchy *found);
// Finds where v2 is mounted; with `alone` set only if no v1 controller is mounted too. Returns whether it was found.
bool cgroup2_parse_mounts(FILE *mountinfo, cgroup_mount_check *shows, bool alone, char *mount, size_t size);
// Where v2 is mounted, and "/sys/fs/cgroup" if it is not.
const char *cgroup2_root(void);

// Whether `name` is one of the words of `list`, as cgroup.controllers has them.
bool cgroup2_has_word(const char *list, const char *name);
int cgroup2_allow_devices(const char *path, const cgroup_device *rules, size_t count, bh_error *err);
// Puts the field that a limit was read from in front of its error: "linux.resources.memory.limit: …". Returns -1.
int cgroup_limit_failed(const cgroup_limits *limits, const char *field, bh_error *err);
// Lets the groups below `directory` have the controllers that limits need.
void cgroup2_enable_below(const char *directory);
// Has this controller passed on to the group `path`, all the way down from `root`. A failure names the group that does
// not, and what to do.
int cgroup2_pass_on(const char *root, const char *path, const char *controller, bh_error *err);
// Waits until `key` of the group's cgroup.events has this value. False: it has not, after the time-out.
bool cgroup2_await(const char *directory, const char *key, int64_t wanted, unsigned timeout_ms);

// Makes one directory. Returns whether it was made (1) or there already (0).
int cgroup_tree_make(const char *directory, bh_error *err);
// Walks over one directory of a mounted hierarchy, used by both versions. `directory` is absolute.
int cgroup_tree_pids(const char *directory, pid_t **pids, bh_error *err);
int cgroup_tree_signal(const char *directory, int number, bh_error *err);
int cgroup_tree_remove(const char *directory, bh_error *err);
// The number after `key` in the text of "key value" lines; -1 if there is none. `key` NULL: the text is the number.
int64_t cgroup_find_number(const char *text, const char *key);
// As above, in a file of the group.
int64_t cgroup_read_number(const char *directory, const char *file, const char *key);
// Writes a number (CGROUP_UNLIMITED: "max") to a file of the group.
int cgroup_write_number(const char *directory, const char *file, int64_t value, bh_error *err);
