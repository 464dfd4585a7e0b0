// Paths that a container may not see (linux.maskedPaths) or not write (linux.readonlyPaths).
#pragma once

#include "runtime/config.h"
#include "runtime/mounts.h"

// In the container's init, after its mounts, `plans`. A path that is not there needs no mask.
int masks_make(const config *c, const mount_plan *plans, int root, bh_error *err);
