// Making containers: what a new one and one that is made again have in common. All of it is for a job.
#pragma once

#include "broker/machine.h"

// The machine's group, and config.json in its folder.
int container_write_bundle(const machine *m, bh_error *err);
// What the runtime wrote into its pid file.
int container_read_pid(const machine *m, bh_error *err);
// How many files it may have: an inode of a tmpfs takes about a kilobyte of kernel memory, so that files without
// content are bounded as well.
static inline int64_t container_inodes(const machine_limits *limits) {
    int64_t inodes = limits->disk_bytes / 4096;
    return inodes > 4096 ? inodes : 4096;
}
