// What a group uses, by the kernel's own counts. A meter keeps the group's files open: to read one again costs an
// eighth of what it costs to open it, and a broker that is looked at twice a second by a classroom does nothing else.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum cgroup_resource { CGROUP_CPU, CGROUP_MEMORY, CGROUP_IO, CGROUP_RESOURCES } cgroup_resource;

// Pressure stall information: for how much of the last ten seconds some, and all, of the group's tasks that had work
// stood still for want of a resource, in hundredths of a percent (https://docs.kernel.org/accounting/psi.html).
typedef struct cgroup_pressure {
    int64_t some, full;
} cgroup_pressure;

// Each is -1 where the kernel does not tell it: the controller or the file is missing.
typedef struct cgroup_usage {
    int64_t memory_bytes;      // charged now
    int64_t memory_peak_bytes; // the highest it has been
    int64_t memory_limit_bytes;
    int64_t memory_anon_bytes; // what programs have written to their own memory
    int64_t memory_file_bytes; // files kept in memory, tmpfs among them
    int64_t memory_kernel_bytes;
    int64_t memory_refusals; // times that the limit was hit
    int64_t oom_kills;       // v1: of processes in the group itself only
    int64_t cpu_usec, cpu_user_usec, cpu_system_usec;
    int64_t periods, throttled_periods, throttled_usec; // of the quota: those that have passed, those it ran out in
    int64_t pids, pids_limit;
    int64_t pids_refusals;                            // forks that pids.max refused: see cgroup_counts_refusals_below
    int64_t read_bytes, written_bytes, reads, writes; // v1: without what the kernel writes back later
    cgroup_pressure pressure[CGROUP_RESOURCES];       // v2 only
} cgroup_usage;

enum { CGROUP_METER_FILES = 16 };

// A zeroed one is closed.
typedef struct cgroup_meter {
    int files[CGROUP_METER_FILES]; // descriptor + 1; 0: the kernel has no such file
} cgroup_meter;

// Fails where there is no such group; closes on failure.
int cgroup_meter_open(cgroup_meter *meter, const char *path, bh_error *err);
// Fails with err->code ENODEV once the group has been removed, also when another of its name is there.
int cgroup_meter_read(const cgroup_meter *meter, cgroup_usage *usage, bh_error *err);
void cgroup_meter_close(cgroup_meter *meter);

// Both in one, for whoever asks once.
int cgroup_read_usage(const char *path, cgroup_usage *usage, bh_error *err);

// Whether pids.events of a group has the refusals in the groups below it too: v2 since Linux 6.11, v1 never.
bool cgroup_counts_refusals_below(const char *path);

// The two lines of a pressure file; -1 for what is not in it.
cgroup_pressure cgroup_parse_pressure(const char *text);
// The sum of what stands after `key` on the lines of all devices: "8:0 rbytes=1459200 wbytes=314773504 …" on v2, "8:0
// Read 1459200" on v1. -1 where it stands nowhere.
int64_t cgroup_sum_devices(const char *text, const char *key);
