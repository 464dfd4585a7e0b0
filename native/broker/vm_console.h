// The log of a VM's serial console: a small process reads the pipe that QEMU writes to and keeps the last 64 KiB in a
// file. The guest decides how much it prints, so it must not decide how much is kept; and the log must go on
// while no broker runs.
#pragma once

#include <stddef.h>

#define VM_CONSOLE_MAX 65536

// Reads `pipe_fd` until its end and keeps `log_fd` (an empty regular file) at the last bytes read, never more than
// VM_CONSOLE_MAX of them. Does not return.
_Noreturn void vm_console_keep(int pipe_fd, int log_fd);

// The last line of the log in `dir`, for an error message: QEMU's own complaints end up there too. Empty if there is
// none.
void vm_console_last_line(const char *dir, char *line, size_t size);
