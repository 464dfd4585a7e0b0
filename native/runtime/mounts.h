// The container's mounts: bind sources are opened by the runtime while it is the host's root, everything else happens
// in the container's init, inside its root.
#pragma once

#include "runtime/config.h"
#include "runtime/mount_options.h"

typedef struct mount_plan {
    const mount_config *config;
    mount_options options;
    int bind;    // a detached copy of the source's mount; -1 for a new file system
    int mounted; // once it is in the container: an fd of its root; -1: not yet
    bool is_directory;
} mount_plan;

// Parses every mount's options and opens bind sources (relative ones from the working directory, the bundle).
// *plans is malloc'ed, one for each of c->mounts.
int mounts_prepare(const config *c, mount_plan **plans, bh_error *err);
// As the host's root, once the container's user namespace has its maps: the binds that are to be seen through them.
int mounts_map_ids(const config *c, const mount_plan *plans, int proc_fd, pid_t pid, bh_error *err);
// Mounts them, in order, below `root`, whatever links the image put in the way.
int mounts_make(const config *c, mount_plan *plans, int root, bh_error *err);
// After that, an O_PATH fd of `path` as the container sees it: below the root of the last mount that was meant to hold
// it, or below `root`.
int mounts_open(const config *c, const mount_plan *plans, int root, const char *path, bh_error *err);
