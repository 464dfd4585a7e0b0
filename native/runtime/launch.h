// Making a container: the runtime's half of it (launch.c) and its first process's half (init.c).
#pragma once

#include "runtime/config.h"
#include "runtime/mounts.h"
#include "runtime/seccomp.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct launch_options {
    const char *root; // --root: where states are kept
    const char *id;
    const char *bundle;         // absolute
    const char *pid_file;       // absolute, or NULL
    const char *console_socket; // absolute, or NULL
    bool wait_for_start;        // create: the container's program runs when `start` says so
    bool keep_keyring;          // --no-new-keyring: the caller's session keyring, not a new one
    int preserve_fds;           // this many fds from 3 on are left open for it
} launch_options;

// What both halves know. The child has a copy of it from clone3.
typedef struct launch {
    const launch_options *options;
    const config *config;
    int state_dir;
    int proc;           // the host's procfs, pinned
    int root_source;    // the image, a detached mount
    int layer;          // what the overlay is to write to, a detached mount; -1: a tmpfs of its own
    int console_socket; // -1: no terminal
    int start_socket;   // listens for `start`; -1: run
    int cgroup;         // v2: an fd of the group to clone into; -1 on v1
    int handshake;      // this half's end
    bool joined_cgroup; // already before clone3
    bool wrote_pid_file;
    bool owns_cgroup; // nobody else is in it, so it can be removed again
    mount_plan *mounts;
    seccomp_program filter;
    pid_t pid;
} launch;

// One that holds nothing yet: no descriptor of its is open.
launch launch_new(const launch_options *options, const config *c);

// Makes a container. Returns the pid of its first process, a child of the caller; on failure nothing is left of it.
pid_t launch_container(const launch_options *options, const config *c, bh_error *err);
// The first process's half. Never returns: it execs, or says why not and exits.
_Noreturn void init_become_container(launch *l);
// The steps of a launch that a restoration has as well: the group, the record, and what is taken back after a failure.
int launch_make_cgroup(launch *l, bh_error *err);
int launch_save(launch *l, bh_error *err);
void launch_undo(launch *l);
void launch_release(launch *l); // its descriptors and what it was told
// An fd of the host's procfs, certainly one.
int launch_pin_proc(bh_error *err);
