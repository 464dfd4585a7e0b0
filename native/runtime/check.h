// Running a check: a script that looks at a machine from where nobody in the machine can reach it.
#pragma once

#include "runtime/config.h"

// Of a script, in bytes.
enum { CHECK_SCRIPT_MAX = 65536 };

typedef struct check_options {
    const char *root, *id; // the container; id NULL: the machine that this runs in itself
    const char *image;     // whose programs the script uses: a root file system, absolute
    const char *cgroup;    // for all that the script starts; NULL: the caller's
    uid_t user;            // of the host, and of nobody else
    const char *script;
    size_t length;
} check_options;

// Starts it; `c` is the container's configuration, or an empty one. Returns its pid, a child of the caller.
pid_t check_process(const check_options *options, const config *c, bh_error *err);
