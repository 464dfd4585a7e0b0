// /dev: the devices every container has, those of linux.devices, and the usual links.
#pragma once

#include "runtime/config.h"

// In the container's init, after its mounts. `root` is the container's root.
int devices_make(const config *c, int root, bh_error *err);
// An O_PATH fd of the host's /dev/null, checked to be character device 1:3.
int devices_open_null(bh_error *err);
// Puts a copy of the mount at `source` (an fd in this mount namespace) on `target`; `attributes` are MOUNT_ATTR_* to
// set.
int devices_bind(int source, int target, uint64_t attributes, const char *what, bh_error *err);
