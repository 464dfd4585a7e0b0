// The system calls that QEMU never needs, closed before it starts. Its own filter (-sandbox) comes on top of this one:
// that one knows what QEMU does later than at its start, this one does not depend on how well it is kept up to date.
#pragma once

#include "base/error.h"

// Loads the filter into the calling process, which must have no_new_privs; what it executes has it too.
int vm_seccomp_load(bh_error *err);
