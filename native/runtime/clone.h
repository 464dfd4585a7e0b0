// clone3(2), for which glibc has no function.
#pragma once

#include "base/error.h"

#include <sys/types.h>

// Like fork, with namespace flags; `cgroup` is an fd of the v2 group to be born in, or -1. Returns 0 in the child.
pid_t clone_process(unsigned long flags, int cgroup, bh_error *err);
