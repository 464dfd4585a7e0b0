// The program on the terminal: started here on a pty of our own, or by a runtime that sends us its pty.
#pragma once

#include "base/error.h"
#include "base/frame.h"

#include <stdbool.h>
#include <sys/types.h>

// Opens a pty and starts `command` on it as leader of a new session. Returns the master; *pid is our child.
int program_start(char **command, frame_size size, pid_t *pid, bh_error *err);

// An orphan is no child of ours, and none is expected. Otherwise:
// Listens on `socket`, runs `command` (an OCI runtime's `exec --detach --tty`), takes the pty's master that it sends
// (the OCI console socket: one fd by SCM_RIGHTS) and waits for its end. Returns the master; *pid, read from `pid_file`,
// is our child by re-parenting. When the command fails, *err is the last line it wrote to its standard error.
int program_start_by_runtime(char **command, const char *socket, const char *pid_file, bool orphan, frame_size size,
                             pid_t *pid, bh_error *err);
