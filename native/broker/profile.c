// The two profiles as OCI configurations. Shape: docs/runtime.md. Why each line: docs/security.md.
#include "broker/profile.h"

#include "base/capability_names.h"
#include "base/cleanup.h"
#include "broker/container.h"
#include "broker/ids.h"
#include "seccomp/profiles.h"

#include <errno.h>
#include <string.h>

#define MIB ((int64_t)1024 * 1024)

const char *const profile_environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "TERM=xterm-256color",
    NULL,
};

static const char *const no_capability[] = {NULL};

// What of /proc and /sys tells about the host or its neighbours, or changes it: covered.
static const char *const masked[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/kallsyms",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
    NULL,
};
static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};

static json_t *strings(const char *const list[]) {
    json_t *array = json_array();
    for (size_t i = 0; list[i]; i++)
        json_array_append_new(array, json_string(list[i]));
    return array;
}

static json_t *capabilities(const char *const list[]) {
    // Ambient ones too, so that they outlive execve for programs of a user other than 0.
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "bounding", strings(list), "effective", strings(list), "permitted",
                     strings(list), "inheritable", strings(list), "ambient", strings(no_capability));
}

// Pid 1: catatonit does nothing but reap (-P), so that every other process of the machine is one the learner started.
static json_t *process(bool nested) {
    return json_pack("{s:b, s:{s:i, s:i}, s:[s, s], s:o, s:s, s:b, s:i, s:[{s:s, s:i, s:i}, {s:s, s:i, s:i}], s:o}",
                     "terminal", 0, "user", "uid", 0, "gid", 0, "args", "/usr/bin/catatonit", "-P", "env",
                     strings(profile_environment), "cwd", "/", "noNewPrivileges", !nested,
                     // When the host itself runs out of memory, machines go before the broker and the server. A core
                     // dump of 1 byte is none, and the only size that keeps the kernel from handing it to a program of
                     // the host's that runs there as root, where core_pattern begins with a bar (core(5)).
                     "oomScoreAdj", 500, "rlimits", "type", "RLIMIT_NOFILE", "soft", 1024, "hard", 4096, "type",
                     "RLIMIT_CORE", "soft", 1, "hard", 1, "capabilities",
                     capabilities(nested ? capability_names : no_capability));
}

static void add_mount(json_t *mounts, const char *destination, const char *type, const char *const options[]) {
    json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:o}", "destination", destination, "type", type, "source",
                                            type, "options", strings(options)));
}

static json_t *mounts(bool nested, int cgroup_version) {
    json_t *list = json_array();
    add_mount(list, "/proc", "proc", (const char *[]){"nosuid", "noexec", "nodev", NULL});
    add_mount(list, "/dev", "tmpfs", (const char *[]){"nosuid", "noexec", "mode=755", "size=64k", NULL});
    // `max`: all instances on a host share 3,072 ptys (kernel.pty.max less its reserve), and one machine could have
    // them all open.
    add_mount(
        list, "/dev/pts", "devpts",
        (const char *[]){"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5", "max=64", NULL});
    add_mount(list, "/dev/shm", "tmpfs",
              (const char *[]){"nosuid", "noexec", "nodev", "mode=1777", "size=16777216", NULL});
    add_mount(list, "/dev/mqueue", "mqueue", (const char *[]){"nosuid", "noexec", "nodev", NULL});
    add_mount(list, "/sys", "sysfs", (const char *[]){"nosuid", "noexec", "nodev", nested ? "rw" : "ro", NULL});
    // v1 has one tree a controller, and none of them can be handed to a container safely; there /sys/fs/cgroup is
    // empty.
    if (cgroup_version == 2)
        add_mount(list, "/sys/fs/cgroup", "cgroup",
                  (const char *[]){"nosuid", "noexec", "nodev", nested ? "rw" : "ro", NULL});
    return list;
}

// Every kind there is, `time` included: it costs 20 microseconds, and its /proc/uptime can be the machine's own.
static json_t *namespaces(void) {
    static const char *const types[] = {"user", "mount", "pid", "network", "ipc", "uts", "cgroup", "time"};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        json_array_append_new(list, json_pack("{s:s}", "type", types[i]));
    return list;
}

// null, zero, full, random, urandom, tty, ptmx and the pts: to use. No rule has `m`: no device node is ever made.
static json_t *devices(void) {
    static const struct {
        int major, minor;
    } allowed[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, -1}};
    json_t *list = json_pack("[{s:b, s:s}]", "allow", 0, "access", "rwm");
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        json_t *rule =
            json_pack("{s:b, s:s, s:i, s:s}", "allow", 1, "type", "c", "major", allowed[i].major, "access", "rw");
        if (allowed[i].minor >= 0)
            json_object_set_new(rule, "minor", json_integer(allowed[i].minor));
        json_array_append_new(list, rule);
    }
    return list;
}

static json_t *id_map(uid_t first) {
    return json_pack("[{s:i, s:I, s:i}]", "containerID", 0, "hostID", (json_int_t)first, "size", IDS_PER_CONTAINER);
}

static json_t *resources(const machine_limits *limits) {
    return json_pack("{s:{s:I}, s:{s:I}, s:{s:I, s:i}, s:o}", "memory", "limit", (json_int_t)limits->memory_bytes,
                     "pids", "limit", (json_int_t)limits->pids, "cpu", "quota",
                     (json_int_t)cpu_quota_us(limits->cpu_millis), "period", CPU_PERIOD_US, "devices", devices());
}

static json_t *linux_part(const profile_spec *spec, bool nested, bh_error *err) {
    json_error_t why;
    json_t *filter = json_loads(nested ? seccomp_nested_json : seccomp_hardened_json, 0, &why);
    if (!filter) {
        bh_fail(err, 0, "the seccomp profile %s is not JSON: %s", spec->profile, why.text);
        return NULL;
    }
    json_t *part = json_pack("{s:o, s:o, s:o, s:s, s:o, s:o}", "namespaces", namespaces(), "uidMappings",
                             id_map(spec->first_id), "gidMappings", id_map(spec->first_id), "cgroupsPath", spec->cgroup,
                             "resources", resources(&spec->limits), "seccomp", filter);
    // Not for nested: over a covered /proc the kernel lets nobody mount a fresh one (mount_too_revealing), and a fresh
    // one is what its learners come to try.
    if (!nested) {
        json_object_set_new(part, "maskedPaths", strings(masked));
        json_object_set_new(part, "readonlyPaths", strings(read_only));
    }
    return part;
}

json_t *profile_config(const profile_spec *spec, bh_error *err) {
    bool nested = strcmp(spec->profile, "nested") == 0;
    json_t *linux_object = linux_part(spec, nested, err), *process_object = process(nested);
    if (!linux_object) {
        json_decref(process_object);
        return NULL;
    }
    if (*spec->label) {
        char file_label[MCS_LABEL_MAX];
        mcs_file_label(spec->label, file_label);
        json_object_set_new(process_object, "selinuxLabel", json_string(spec->label));
        json_object_set_new(linux_object, "mountLabel", json_string(file_label));
    }
    char size[32], inodes[32];
    snprintf(size, sizeof size, "%lld", (long long)spec->limits.disk_bytes);
    snprintf(inodes, sizeof inodes, "%lld", (long long)container_inodes(&spec->limits));
    json_t *config =
        json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:s, s:s*}, s:o, s:o, s:o}", "ociVersion", "1.2.0", "hostname",
                  spec->hostname, "root", "path", spec->rootfs, "annotations", "dev.bulkhead.overlay.size", size,
                  "dev.bulkhead.overlay.inodes", inodes, "dev.bulkhead.overlay.layer", spec->layer, "process",
                  process_object, "mounts", mounts(nested, spec->cgroup_version), "linux", linux_object);
    if (!config)
        bh_fail(err, ENOMEM, "cannot write the container's configuration");
    return config;
}
