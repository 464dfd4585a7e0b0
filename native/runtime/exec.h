// Adding a process to a running container, confined as its init is.
#pragma once

#include "runtime/config.h"

#include <stdbool.h>

typedef struct exec_options {
    const char *root, *id;
    const char *pid_file, *console_socket; // absolute, or NULL
    const char *cgroup;                    // joined instead of the container's; or NULL
    int preserve_fds;
    bool even_paused; // wait with the container's processes until it is resumed
    bool orphan;      // the process becomes a child of the container's first one, not of the caller
} exec_options;

// The container's own configuration, as kept at its creation; for the process and for what exec joins.
int exec_load_config(const exec_options *options, config *c, bh_error *err);
// Starts `process` in the container, under the namespaces, cgroup and seccomp filter of `c`. Returns its pid, a child
// of the caller unless it is to be an orphan.
pid_t exec_process(const exec_options *options, const config *c, const process_config *process, bh_error *err);
