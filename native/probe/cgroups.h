// The control groups a broker cannot do without.
#pragma once

#include "base/error.h"

// Writes "memory, pids" for those of cpu, memory and pids that cannot be used here; "" when all can. 0 or negative.
int cgroups_missing(char *missing, size_t size, bh_error *err);
// What to do about a controller that is missing on a host with this version of cgroups.
const char *cgroups_remedy(int version);
