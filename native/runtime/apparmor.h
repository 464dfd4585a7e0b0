// AppArmor, where the host's kernel has it: the profile that a process is under from its next exec on.
#pragma once

#include "base/error.h"

// Whether this kernel can do what `profile` (NULL: nothing) asks for.
int apparmor_check(const char *profile, bh_error *err);
// The caller's next exec changes to the profile. `proc_fd` is the host's procfs. Before no_new_privs, which would
// narrow what it may change to.
int apparmor_enter_on_exec(const char *profile, int proc_fd, bh_error *err);
