// What a bundle's config.json asks for, checked: https://github.com/opencontainers/runtime-spec/blob/main/config.md
#pragma once

#include "base/cgroup.h"
#include "base/error.h"
#include "base/namespace_kinds.h"
#include "runtime/json_field.h"
#include "runtime/scheduling.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

// Of runtime-spec: what is read here, and the state and features that are written.
#define OCI_VERSION_MIN "1.0.0"
#define OCI_VERSION "1.2.1"

// The five capability sets, a bit for each number of linux/capability.h.
typedef struct capability_sets {
    uint64_t bounding, effective, permitted, inheritable, ambient;
} capability_sets;

typedef struct process_rlimit {
    int resource; // RLIMIT_*
    struct rlimit limit;
} process_rlimit;

typedef struct process_config {
    bool terminal;
    unsigned short columns, rows; // 0: not stated
    uid_t uid;
    gid_t gid;
    mode_t umask;
    gid_t *groups;
    size_t group_count;
    const char **args, **env; // NULL-terminated
    const char *cwd;
    const char *selinux_label; // NULL: none
    bool no_new_privileges;
    bool has_oom_score;
    int oom_score;
    capability_sets capabilities;
    process_rlimit *rlimits;
    size_t rlimit_count;
    scheduling scheduling;
    const char *apparmor_profile; // NULL: the caller's
} process_config;

typedef struct id_map {
    uint32_t container_id, host_id, size;
} id_map;

enum { ID_MAPS_MAX = 32 };

typedef struct id_maps {
    id_map uids[ID_MAPS_MAX], gids[ID_MAPS_MAX];
    size_t uid_count, gid_count;
} id_maps;

typedef struct mount_config {
    const char *destination, *type, *source;
    const char **options; // NULL-terminated, or NULL
    char path[32];        // "mounts[3]", for errors
    id_maps *maps;        // owned: what the source's ids become; NULL: nothing of its own
} mount_config;

typedef struct device_config {
    const char *path;
    char type; // 'c', 'b', 'p'
    int64_t major, minor;
    bool has_mode;
    mode_t mode;
    int64_t uid, gid; // -1: not stated
} device_config;

typedef struct sysctl_config {
    const char *name, *value;
} sysctl_config;

typedef struct config {
    char *text; // of the file it came from, NUL-terminated; NULL after config_parse alone
    json_t *document;
    const char *oci_version;
    const char *root_path;
    bool root_readonly;
    int64_t overlay_size, overlay_inodes; // bytes, files; -1: root_path itself is the root
    const char *overlay_layer; // the directory of the writable layer, for others to read; NULL: nobody else sees it
    const char *hostname, *domainname;
    process_config process;
    mount_config *mounts;
    size_t mount_count;
    unsigned long namespaces;                     // CLONE_NEW* flags that are listed
    const char *namespace_paths[NAMESPACE_KINDS]; // by index in namespaces.h's table; NULL: a new one
    bool setgroups; // the container's own process may need setgroups(2); if not, it is denied in there for good
    id_map uid_maps[ID_MAPS_MAX], gid_maps[ID_MAPS_MAX];
    size_t uid_map_count, gid_map_count;
    json_t *time_offsets; // borrowed, may be NULL
    const char *cgroup_path;
    char *default_cgroup_path; // owned: what cgroup_path is where the document names none
    bool limited;              // linux.resources asks for something
    cgroup_limits limits;
    cgroup_setting *settings;
    size_t setting_count;
    cgroup_device *device_rules;
    size_t device_rule_count;
    bool check_memory; // `update` refuses a memory limit below what is used
    device_config *devices;
    size_t device_count;
    sysctl_config *sysctls;
    size_t sysctl_count;
    const char **masked_paths, **readonly_paths; // NULL-terminated, or NULL
    const char *root_propagation;
    long personality;        // for personality(2); -1: as it is
    const char *mount_label; // SELinux's; NULL: none
    char *mount_context;     // owned: "context=" and it, as a mount option; NULL likewise
    json_t *seccomp;         // borrowed, may be NULL
    json_t *hooks;           // borrowed, checked, may be NULL
    json_t *annotations;     // borrowed, may be NULL
} config;

// Reads and checks config.json's text. On failure *c may be half filled; config_free it either way.
int config_parse(config *c, const char *text, size_t length, bh_error *err);
// Reads the file (relative to `dir`), then as above.
int config_load(config *c, int dir, const char *path, bh_error *err);
// Gives a container that needs a cgroup, and is given none, one of its own name.
int config_default_cgroup(config *c, const char *id, bh_error *err);
void config_free(config *c);

// The parts, each from its object in the document.
int config_parse_process(process_config *process, const json_place *at, bh_error *err);
void config_free_process(process_config *process);
int config_parse_mounts(config *c, const json_place *document, bh_error *err);
int config_parse_linux(config *c, const json_place *document, bh_error *err);
// A list of id maps, of which there may be none.
int config_parse_id_maps(const json_place *at, const char *key, id_map *maps, size_t *count, bh_error *err);
// Also for `update`: an explicit -1 becomes CGROUP_UNLIMITED.
int config_parse_resources(config *c, const json_place *at, bh_error *err);
// Its part in c->settings, for a host with this version of cgroups.
int config_parse_settings(config *c, const json_place *at, int version, bh_error *err);
int config_parse_hardware(config *c, const json_place *at, int version, bh_error *err);
// One line for one file of the group; `field` is its path in the document.
__attribute__((format(printf, 6, 7))) int config_add_setting(config *c, const char *field, const char *controller,
                                                             const char *file, bh_error *err, const char *format, ...);
// Fails for a field that has no counterpart on v2.
int config_only_v1(const char *field, bh_error *err);
