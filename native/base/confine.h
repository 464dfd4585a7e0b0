// What a process gives up that has all it needs: a monitor once its program runs, a relay (broker/relay.h) once it is
// connected.
#pragma once

#include "base/error.h"

#include <sys/types.h>

// Becomes uid and gid (unless (uid_t)-1) without other groups, with no capability that could ever come back, not
// dumpable, no_new_privs, and with a seccomp allow-list of what serving a terminal takes; a relay takes less.
int confine(uid_t uid, gid_t gid, bh_error *err);
