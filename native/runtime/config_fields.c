// The specification's properties: see config_fields.h.
// https://github.com/opencontainers/runtime-spec/tree/v1.2.1/schema
#include "runtime/config_fields.h"
#include "runtime/config.h"
#include "runtime/log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

// For what other platforms have.
#define NOT_LINUX "it is not for Linux"

// One property. `kind` is its path: "[]" stands for an entry of a list, "*" for a key of the caller's choice. In the
// order of strcmp, for it is searched by halves at each key of a document.
static const struct {
    const char *kind;
    const char *refused; // why it is not supported; NULL: it is
} fields[] = {
    {"annotations", NULL},
    {"annotations.*", NULL},
    {"domainname", NULL},
    {"hooks", NULL},
    {"hooks.*", NULL}, // hooks.c knows the kinds, and warns of others
    {"hooks.*[].args", NULL},
    {"hooks.*[].env", NULL},
    {"hooks.*[].path", NULL},
    {"hooks.*[].timeout", NULL},
    {"hostname", NULL},
    {"linux", NULL},
    {"linux.cgroupsPath", NULL},
    {"linux.devices", NULL},
    {"linux.devices[].fileMode", NULL},
    {"linux.devices[].gid", NULL},
    {"linux.devices[].major", NULL},
    {"linux.devices[].minor", NULL},
    {"linux.devices[].path", NULL},
    {"linux.devices[].type", NULL},
    {"linux.devices[].uid", NULL},
    {"linux.gidMappings", NULL},
    {"linux.gidMappings[].containerID", NULL},
    {"linux.gidMappings[].hostID", NULL},
    {"linux.gidMappings[].size", NULL},
    {"linux.intelRdt", "cache and memory bandwidth are not divided here"},
    {"linux.maskedPaths", NULL},
    {"linux.memoryPolicy", "it is newer than runtime-spec 1.2"},
    {"linux.mountLabel", NULL},
    {"linux.namespaces", NULL},
    {"linux.namespaces[].path", NULL},
    {"linux.namespaces[].type", NULL},
    {"linux.netDevices", "it is newer than runtime-spec 1.2"},
    {"linux.personality", NULL},
    {"linux.personality.domain", NULL},
    {"linux.personality.flags", NULL},
    {"linux.readonlyPaths", NULL},
    {"linux.resources", NULL},
    {"linux.resources.blockIO", NULL},
    {"linux.resources.blockIO.leafWeight", "it was for CFQ, which left Linux in 5.0"},
    {"linux.resources.blockIO.throttleReadBpsDevice", NULL},
    {"linux.resources.blockIO.throttleReadBpsDevice[].major", NULL},
    {"linux.resources.blockIO.throttleReadBpsDevice[].minor", NULL},
    {"linux.resources.blockIO.throttleReadBpsDevice[].rate", NULL},
    {"linux.resources.blockIO.throttleReadIOPSDevice", NULL},
    {"linux.resources.blockIO.throttleReadIOPSDevice[].major", NULL},
    {"linux.resources.blockIO.throttleReadIOPSDevice[].minor", NULL},
    {"linux.resources.blockIO.throttleReadIOPSDevice[].rate", NULL},
    {"linux.resources.blockIO.throttleWriteBpsDevice", NULL},
    {"linux.resources.blockIO.throttleWriteBpsDevice[].major", NULL},
    {"linux.resources.blockIO.throttleWriteBpsDevice[].minor", NULL},
    {"linux.resources.blockIO.throttleWriteBpsDevice[].rate", NULL},
    {"linux.resources.blockIO.throttleWriteIOPSDevice", NULL},
    {"linux.resources.blockIO.throttleWriteIOPSDevice[].major", NULL},
    {"linux.resources.blockIO.throttleWriteIOPSDevice[].minor", NULL},
    {"linux.resources.blockIO.throttleWriteIOPSDevice[].rate", NULL},
    {"linux.resources.blockIO.weight", NULL},
    {"linux.resources.blockIO.weightDevice", NULL},
    {"linux.resources.blockIO.weightDevice[].leafWeight", "it was for CFQ, which left Linux in 5.0"},
    {"linux.resources.blockIO.weightDevice[].major", NULL},
    {"linux.resources.blockIO.weightDevice[].minor", NULL},
    {"linux.resources.blockIO.weightDevice[].weight", NULL},
    {"linux.resources.cpu", NULL},
    {"linux.resources.cpu.burst", NULL},
    {"linux.resources.cpu.cpus", NULL},
    {"linux.resources.cpu.idle", NULL},
    {"linux.resources.cpu.mems", NULL},
    {"linux.resources.cpu.period", NULL},
    {"linux.resources.cpu.quota", NULL},
    {"linux.resources.cpu.realtimePeriod", NULL},
    {"linux.resources.cpu.realtimeRuntime", NULL},
    {"linux.resources.cpu.shares", NULL},
    {"linux.resources.devices", NULL},
    {"linux.resources.devices[].access", NULL},
    {"linux.resources.devices[].allow", NULL},
    {"linux.resources.devices[].major", NULL},
    {"linux.resources.devices[].minor", NULL},
    {"linux.resources.devices[].type", NULL},
    {"linux.resources.hugepageLimits", NULL},
    {"linux.resources.hugepageLimits[].limit", NULL},
    {"linux.resources.hugepageLimits[].pageSize", NULL},
    {"linux.resources.memory", NULL},
    {"linux.resources.memory.checkBeforeUpdate", NULL},
    {"linux.resources.memory.disableOOMKiller", NULL},
    {"linux.resources.memory.kernel", "Linux has no such limit since 5.16"},
    {"linux.resources.memory.kernelTCP", NULL},
    {"linux.resources.memory.limit", NULL},
    {"linux.resources.memory.reservation", NULL},
    {"linux.resources.memory.swap", NULL},
    {"linux.resources.memory.swappiness", NULL},
    {"linux.resources.memory.useHierarchy", NULL},
    {"linux.resources.network", NULL},
    {"linux.resources.network.classID", NULL},
    {"linux.resources.network.priorities", NULL},
    {"linux.resources.network.priorities[].name", NULL},
    {"linux.resources.network.priorities[].priority", NULL},
    {"linux.resources.pids", NULL},
    {"linux.resources.pids.limit", NULL},
    {"linux.resources.rdma", NULL},
    {"linux.resources.rdma.*", NULL},
    {"linux.resources.rdma.*.hcaHandles", NULL},
    {"linux.resources.rdma.*.hcaObjects", NULL},
    {"linux.resources.unified", NULL},
    {"linux.resources.unified.*", NULL},
    {"linux.rootfsPropagation", NULL},
    {"linux.seccomp", NULL},
    {"linux.seccomp.architectures", NULL},
    {"linux.seccomp.defaultAction", NULL},
    {"linux.seccomp.defaultErrnoRet", NULL},
    {"linux.seccomp.flags", NULL},
    {"linux.seccomp.listenerMetadata", NULL},
    {"linux.seccomp.listenerPath", NULL},
    {"linux.seccomp.syscalls", NULL},
    {"linux.seccomp.syscalls[].action", NULL},
    {"linux.seccomp.syscalls[].args", NULL},
    {"linux.seccomp.syscalls[].args[].index", NULL},
    {"linux.seccomp.syscalls[].args[].op", NULL},
    {"linux.seccomp.syscalls[].args[].value", NULL},
    {"linux.seccomp.syscalls[].args[].valueTwo", NULL},
    {"linux.seccomp.syscalls[].comment", NULL}, // was in 1.0's drafts; for people, in our own profiles too
    {"linux.seccomp.syscalls[].errnoRet", NULL},
    {"linux.seccomp.syscalls[].names", NULL},
    {"linux.sysctl", NULL},
    {"linux.sysctl.*", NULL},
    {"linux.timeOffsets", NULL},
    {"linux.timeOffsets.*", NULL},
    {"linux.timeOffsets.*.nanosecs", NULL},
    {"linux.timeOffsets.*.secs", NULL},
    {"linux.uidMappings", NULL},
    {"linux.uidMappings[].containerID", NULL},
    {"linux.uidMappings[].hostID", NULL},
    {"linux.uidMappings[].size", NULL},
    {"mounts", NULL},
    {"mounts[].destination", NULL},
    {"mounts[].gidMappings", NULL},
    {"mounts[].gidMappings[].containerID", NULL},
    {"mounts[].gidMappings[].hostID", NULL},
    {"mounts[].gidMappings[].size", NULL},
    {"mounts[].options", NULL},
    {"mounts[].source", NULL},
    {"mounts[].type", NULL},
    {"mounts[].uidMappings", NULL},
    {"mounts[].uidMappings[].containerID", NULL},
    {"mounts[].uidMappings[].hostID", NULL},
    {"mounts[].uidMappings[].size", NULL},
    {"ociVersion", NULL},
    {"process", NULL},
    {"process.apparmorProfile", NULL},
    {"process.args", NULL},
    {"process.capabilities", NULL},
    {"process.capabilities.ambient", NULL},
    {"process.capabilities.bounding", NULL},
    {"process.capabilities.effective", NULL},
    {"process.capabilities.inheritable", NULL},
    {"process.capabilities.permitted", NULL},
    {"process.commandLine", NOT_LINUX},
    {"process.consoleSize", NULL},
    {"process.consoleSize.height", NULL},
    {"process.consoleSize.width", NULL},
    {"process.cwd", NULL},
    {"process.env", NULL},
    {"process.execCPUAffinity", NULL},
    {"process.execCPUAffinity.final", NULL},
    {"process.execCPUAffinity.initial", NULL},
    {"process.ioPriority", NULL},
    {"process.ioPriority.class", NULL},
    {"process.ioPriority.priority", NULL},
    {"process.noNewPrivileges", NULL},
    {"process.oomScoreAdj", NULL},
    {"process.rlimits", NULL},
    {"process.rlimits[].hard", NULL},
    {"process.rlimits[].soft", NULL},
    {"process.rlimits[].type", NULL},
    {"process.scheduler", NULL},
    {"process.scheduler.deadline", NULL},
    {"process.scheduler.flags", NULL},
    {"process.scheduler.nice", NULL},
    {"process.scheduler.period", NULL},
    {"process.scheduler.policy", NULL},
    {"process.scheduler.priority", NULL},
    {"process.scheduler.runtime", NULL},
    {"process.selinuxLabel", NULL},
    {"process.terminal", NULL},
    {"process.user", NULL},
    {"process.user.additionalGids", NULL},
    {"process.user.gid", NULL},
    {"process.user.uid", NULL},
    {"process.user.umask", NULL},
    {"process.user.username", NOT_LINUX},
    {"root", NULL},
    {"root.path", NULL},
    {"root.readonly", NULL},
    {"solaris", NOT_LINUX},
    {"vm", "machines that are VMs are the broker's"},
    {"windows", NOT_LINUX},
    {"zos", NOT_LINUX},
};

static int compare(const void *kind, const void *field) {
    return strcmp(kind, *(const char *const *)field);
}

// Index of a kind in the table; -1 for what the specification does not have.
static ssize_t find(const char *kind) {
    const void *found = bsearch(kind, fields, COUNT(fields), sizeof *fields, compare);
    return found ? (ssize_t)((size_t)((const char *)found - (const char *)fields) / sizeof *fields) : -1;
}

enum { KIND_MAX = 128, PATH_MAX_SHOWN = 256 };

// Where a walk is. A document has hundreds of properties and hardly ever one to complain of, so what the caller wrote
// is put together only for a complaint.
typedef struct walk {
    const struct walk *above; // NULL: where it began, at the path `key`
    const char *key;          // NULL: an entry of a list, number `index`
    size_t index;
    char *kind; // one buffer for the whole walk, of KIND_MAX; what is below writes behind the first `kind_length`
    size_t kind_length;
} walk;

static size_t path_of(const walk *at, char *path, size_t size) {
    size_t length = at->above ? path_of(at->above, path, size) : 0;
    if (length >= size)
        return length;
    int added = at->key ? snprintf(path + length, size - length, "%s%s", length > 0 ? "." : "", at->key)
                        : snprintf(path + length, size - length, "[%zu]", at->index);
    return length + (size_t)added;
}

// Makes the kind of `at` that of what is above it, and `part`. False if there can be no such kind, it is so long.
static bool add_kind(walk *at, size_t length, const char *part) {
    size_t added = strlen(part), dot = length > 0 && *part != '[';
    if (length + dot + added >= KIND_MAX)
        return false;
    if (dot)
        at->kind[length] = '.';
    memcpy(at->kind + length + dot, part, added + 1);
    at->kind_length = length + dot + added;
    return true;
}

static int check_value(const walk *at, json_t *value, bh_error *err);

static bool says_nothing(const json_t *value) {
    return json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_string(value) && json_string_length(value) == 0);
}

static int check_key(const walk *object, const char *key, json_t *value, bh_error *err) {
    walk at = {.above = object, .key = key, .kind = object->kind};
    ssize_t field = add_kind(&at, object->kind_length, key) ? find(at.kind) : -1;
    if (field < 0 && add_kind(&at, object->kind_length, "*"))
        field = find(at.kind);
    if (field >= 0 && !fields[field].refused)
        return check_value(&at, value, err);
    if (field >= 0 && says_nothing(value))
        return 0;
    char path[PATH_MAX_SHOWN];
    path_of(&at, path, sizeof path);
    if (field >= 0)
        return bh_fail(err, 0, "%s is not supported: %s", path, fields[field].refused);
    log_warning("%s is ignored: runtime-spec " OCI_VERSION " has no such property", path);
    return 0;
}

static int check_value(const walk *at, json_t *value, bh_error *err) {
    const char *key;
    json_t *item;
    size_t index;
    if (json_is_object(value)) {
        json_object_foreach(value, key, item) {
            if (check_key(at, key, item, err) < 0)
                return -1;
        }
    }
    json_array_foreach(value, index, item) {
        walk entry = {.above = at, .index = index, .kind = at->kind};
        if (json_is_object(item) && add_kind(&entry, at->kind_length, "[]") && check_value(&entry, item, err) < 0)
            return -1;
    }
    return 0;
}

int config_check_fields(const json_place *at, const char *kind, bh_error *err) {
    char buffer[KIND_MAX];
    walk start = {.key = at->path, .kind = buffer};
    return at->object && add_kind(&start, 0, kind) ? check_value(&start, at->object, err) : 0;
}
