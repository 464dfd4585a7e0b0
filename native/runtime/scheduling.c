// When and where a process runs: see scheduling.h. The raw system calls and the kernel's own headers: libc has no
// functions for two of them, and its <sched.h> does not go with <linux/sched/types.h> before glibc 2.41.
#include "runtime/scheduling.h"
#include "base/cleanup.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

typedef struct word {
    const char *name;
    uint64_t value;
} word;

static const word policies[] = {
    {"SCHED_OTHER", SCHED_NORMAL}, {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
    {"SCHED_BATCH", SCHED_BATCH},  {"SCHED_IDLE", SCHED_IDLE}, {"SCHED_DEADLINE", SCHED_DEADLINE},
};
// SCHED_ISO is in the specification and in no kernel.

static const word flags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},   {"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
    {"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},         {"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
    {"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},       {"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
};

static const word io_classes[] = {{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
                                  {"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
                                  {"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE}};

static int find(const word *words, size_t count, const char *name, const char *where, uint64_t *value, bh_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, words[i].name) == 0) {
            *value = words[i].value;
            return 0;
        }
    }
    return bh_fail(err, 0, "%s \"%s\" is not supported", where, name);
}

static int parse_flags(scheduling *s, const json_place *at, bh_error *err) {
    const char **names = NULL;
    char where[192];
    int result = 0;
    snprintf(where, sizeof where, "%s.flags:", at->path);
    if (json_get_strings(at, "flags", &names, err) < 0)
        return -1;
    for (const char **name = names; name && *name && result == 0; name++) {
        uint64_t flag = 0;
        result = find(flags, COUNT(flags), *name, where, &flag, err);
        s->flags |= flag;
    }
    free(names);
    return result;
}

static int parse_scheduler(scheduling *s, const json_place *process, bh_error *err) {
    json_place at;
    const char *policy = NULL;
    char where[192];
    int64_t nice = 0, priority = 0, times[3] = {0};
    if (json_get_object(process, "scheduler", &at, err) < 0 || json_get_string(&at, "policy", &policy, err) < 0 ||
        json_get_integer(&at, "nice", -20, 19, &nice, err) < 0 ||
        json_get_integer(&at, "priority", 0, 99, &priority, err) < 0 || parse_flags(s, &at, err) < 0 ||
        json_get_integer(&at, "runtime", 0, INT64_MAX, &times[0], err) < 0 ||
        json_get_integer(&at, "deadline", 0, INT64_MAX, &times[1], err) < 0 ||
        json_get_integer(&at, "period", 0, INT64_MAX, &times[2], err) < 0)
        return -1;
    if (json_object_size(at.object) == 0)
        return 0;
    uint64_t value = 0;
    snprintf(where, sizeof where, "%s.policy", at.path);
    if (!policy)
        return bh_fail(err, 0, "%s is missing", where);
    if (find(policies, COUNT(policies), policy, where, &value, err) < 0)
        return -1;
    s->has_policy = true;
    s->policy = (uint32_t)value;
    s->nice = (int32_t)nice;
    s->priority = (uint32_t)priority;
    s->runtime_ns = (uint64_t)times[0];
    s->deadline_ns = (uint64_t)times[1];
    s->period_ns = (uint64_t)times[2];
    return 0;
}

static int parse_io_priority(scheduling *s, const json_place *process, bh_error *err) {
    json_place at;
    const char *class = NULL;
    char where[192];
    int64_t priority = 0;
    uint64_t value = 0;
    s->io_priority = -1;
    if (json_get_object(process, "ioPriority", &at, err) < 0 || json_get_string(&at, "class", &class, err) < 0 ||
        json_get_integer(&at, "priority", 0, 7, &priority, err) < 0)
        return -1;
    if (json_object_size(at.object) == 0)
        return 0;
    snprintf(where, sizeof where, "%s.class", at.path);
    if (!class)
        return bh_fail(err, 0, "%s is missing", where);
    if (find(io_classes, COUNT(io_classes), class, where, &value, err) < 0)
        return -1;
    // Not by IOPRIO_PRIO_VALUE, which is a macro of unsigned numbers in old headers and a function of signed ones in
    // new.
    s->io_priority = (int)value << IOPRIO_CLASS_SHIFT | (int)priority;
    return 0;
}

enum { CPUS_MAX = 1024 };
typedef struct cpu_mask {
    unsigned char bits[CPUS_MAX / 8]; // as sched_setaffinity(2) wants them on a little-endian machine
} cpu_mask;

// The number at *at, which then is behind it; negative for none, or one that no processor has.
static int read_cpu(const char **at) {
    char *end;
    errno = 0;
    unsigned long cpu = **at >= '0' && **at <= '9' ? strtoul(*at, &end, 10) : CPUS_MAX;
    if (errno || cpu >= CPUS_MAX)
        return -1;
    *at = end;
    return (int)cpu;
}

// "0-3, 7" as a set of processors. Negative for what is no such list.
static int read_cpus(const char *text, cpu_mask *set) {
    bool any = false;
    *set = (cpu_mask){0};
    for (const char *at = text + strspn(text, " ,"); *at; at += strspn(at, " ,")) {
        int first = read_cpu(&at), last = first;
        if (first >= 0 && *at == '-') {
            at++;
            last = read_cpu(&at);
        }
        if (first < 0 || last < first || (*at && *at != ',' && *at != ' '))
            return -1;
        for (int cpu = first; cpu <= last; cpu++)
            set->bits[cpu / 8] |= (unsigned char)(1u << cpu % 8);
        any = true;
    }
    return any ? 0 : -1;
}

static int parse_cpus(const json_place *at, const char *key, const char **cpus, bh_error *err) {
    const char *text = "";
    cpu_mask ignored;
    if (json_get_string(at, key, &text, err) < 0)
        return -1;
    if (*text && read_cpus(text, &ignored) < 0)
        return bh_fail(err, 0, "%s.%s is \"%s\"; it must be a list such as 0-3,7", at->path, key, text);
    *cpus = *text ? text : NULL;
    return 0;
}

int scheduling_parse(scheduling *s, const json_place *process, bh_error *err) {
    json_place affinity;
    *s = (scheduling){0};
    if (parse_scheduler(s, process, err) < 0 || parse_io_priority(s, process, err) < 0 ||
        json_get_object(process, "execCPUAffinity", &affinity, err) < 0)
        return -1;
    return parse_cpus(&affinity, "initial", &s->initial_cpus, err) < 0 ||
                   parse_cpus(&affinity, "final", &s->final_cpus, err) < 0
               ? -1
               : 0;
}

int scheduling_apply(const scheduling *s, pid_t pid, bh_error *err) {
    struct sched_attr attr = {.size = sizeof attr,
                              .sched_policy = s->policy,
                              .sched_flags = s->flags,
                              .sched_nice = s->nice,
                              .sched_priority = s->priority,
                              .sched_runtime = s->runtime_ns,
                              .sched_deadline = s->deadline_ns,
                              .sched_period = s->period_ns};
    if (s->has_policy && syscall(SYS_sched_setattr, pid, &attr, 0) < 0)
        return bh_fail(err, errno,
                       "cannot set process.scheduler (EPERM: it needs CAP_SYS_NICE, and for real time on "
                       "cgroup v1 resources.cpu.realtimeRuntime)");
    if (s->io_priority >= 0 && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, s->io_priority) < 0)
        return bh_fail(err, errno, "cannot set process.ioPriority");
    return 0;
}

int scheduling_pin(const char *cpus, pid_t pid, const char *field, bh_error *err) {
    cpu_mask set;
    if (!cpus)
        return 0;
    if (read_cpus(cpus, &set) < 0 || syscall(SYS_sched_setaffinity, pid, sizeof set, &set) < 0)
        return bh_fail(err, errno, "cannot run on processors %s of %s", cpus, field);
    return 0;
}
