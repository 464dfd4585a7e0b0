// A mount of type "cgroup" where the host has cgroup v1.
#pragma once

#include "runtime/config.h"
#include "runtime/mount_options.h"

// In the container's init, on `target`: a tmpfs with a folder for each hierarchy, which shows the container's own group
// there and nothing above it, always read-only.
int mount_cgroup1(const config *c, const mount_config *m, const mount_options *options, int target, bh_error *err);
