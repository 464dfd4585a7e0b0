// The end of a program that is not our child. One that is to be moved by CRIU has to be a child of its container's
// first process, which then reaps it; how it ended, the kernel tells whoever listens to its process events.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

// Begins to listen; before the program starts, so that no end is missed. Returns a socket.
int orphan_listen(bh_error *err);
// Has the kernel leave out all but the end of this program. Fails when it has ended unheard.
int orphan_only(int events, pid_t program, bh_error *err);
// Takes what has come. True once the program has ended, with a status as from waitpid.
bool orphan_ended(int events, pid_t program, int *wait_status);
