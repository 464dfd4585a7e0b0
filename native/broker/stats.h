// What machine.stats keeps between two questions, and what a guest knows of itself.
#pragma once

#include "base/cgroup_meter.h"
#include "broker/state.h"

// The files of a machine's group, which stay open while somebody looks at it.
typedef struct metering {
    cgroup_meter meter;
    cgroup_meter
        box; // closed but where the kernel counts what it refuses a container in the container's own group only
    uint64_t read_ms; // when it was last read
} metering;

// Closes what was kept open for a machine.
void stats_forget(machine *m);
// A guest about itself, by its whole kernel's account: it is alone in it.
int stats_of_guest(cgroup_usage *usage, int64_t *total_bytes, bh_error *err);
// The number after `key` in a file of "key: number" lines such as meminfo; -1 when it is not there, or larger than
// kilobytes can be counted in bytes.
int64_t stats_number_after(const char *text, const char *key);
