// Paths that a container may not see (linux.maskedPaths) or not write (linux.readonlyPaths).
#pragma once

#include "runtime/config.h"

// In the container's init, after its mounts. A path that is not there needs no mask.
int masks_make(const config *c, int root, bh_error *err);
