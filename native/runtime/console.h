// A terminal for a container's process: a pty of the container's own devpts, whose master goes to --console-socket.
#pragma once

#include "runtime/config.h"

// As the host's root: connects to the socket. Returns its fd.
int console_connect(const char *path, bh_error *err);
// Opens a pty below `root`, sends its master over `socket` and returns the slave.
int console_open(const process_config *p, int root, int socket, bh_error *err);
// Mounts the slave on /dev/console below `root`.
int console_bind(int slave, int root, bh_error *err);
// In the leader of a new session: makes the slave its controlling terminal and its standard fds.
int console_take(int slave, bh_error *err);
