// Keeping the runtime's own binary out of the container's reach.
#pragma once

#include "base/error.h"

// Returns once this process runs from a read-only mount of its binary and cannot be traced, having exec'ed itself
// again if need be; `argv` is main's.
int seal_own_binary(char **argv, bh_error *err);
