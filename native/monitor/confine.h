// What the monitor gives up once the program runs.
#pragma once

#include "base/error.h"

#include <sys/types.h>

// Becomes uid and gid (unless (uid_t)-1) without other groups, with no capability that could ever come back, not
// dumpable, no_new_privs, and with a seccomp allow-list of what serving a terminal takes.
int confine(uid_t uid, gid_t gid, bh_error *err);
