// When and where a process runs: process.scheduler, process.ioPriority and process.execCPUAffinity of config.json.
#pragma once

#include "runtime/json_field.h"

#include <stdint.h>
#include <sys/types.h>

typedef struct scheduling {
    bool has_policy;
    uint32_t policy; // SCHED_*
    uint64_t flags;  // SCHED_FLAG_*
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns; // of SCHED_DEADLINE
    int io_priority;                             // as ioprio_set(2) takes it; -1: not stated
    const char *initial_cpus, *final_cpus;       // "0-3,7"; NULL: not stated
} scheduling;

// Reads the three fields of a `process`.
int scheduling_parse(scheduling *s, const json_place *process, bh_error *err);
// As the host's root: policy and I/O priority of `pid`.
int scheduling_apply(const scheduling *s, pid_t pid, bh_error *err);
// Lets `pid` (0: the caller) run on these processors only; NULL leaves it as it is. `field` is for errors.
int scheduling_pin(const char *cpus, pid_t pid, const char *field, bh_error *err);
