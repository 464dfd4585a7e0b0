// The log of a VM's serial console: a small process reads the pipe that QEMU writes to and keeps the last 64 KiB in a
// file. The guest decides how much it prints, so it must not decide how much is kept; and the log must go on
// while no broker runs.
#pragma once

#include <jansson.h>
#include <stddef.h>

#define VM_CONSOLE_MAX 65536

// Reads `pipe_fd` until its end and keeps `log_fd` (an empty regular file) at the last bytes read, never more than
// VM_CONSOLE_MAX of them. Does not return.
_Noreturn void vm_console_keep(int pipe_fd, int log_fd);

// What is kept of it when a VM has ended: the last lines, or those from a panic on, if that was longer ago.
// 8 KiB at most, which is what an event can carry.
enum { VM_CONSOLE_LINES = 40, VM_CONSOLE_LINE_MAX = 200 };

// Takes out of `text` whatever a terminal would obey: escape sequences and every control character but newline.
// Returns the new length and ends it with a NUL, so there is to be room for one.
size_t vm_console_clean(char *text, size_t length);
// The log in `dir`, cleaned; `text` holds VM_CONSOLE_MAX + 1 bytes. Empty if there is none.
void vm_console_read(const char *dir, char *text);
// The lines to keep of a cleaned log: an array of strings, oldest first.
json_t *vm_console_lines(const char *text);

// The last line of the log in `dir`, for an error message: QEMU's own complaints end up there too. Empty if there is
// none.
void vm_console_last_line(const char *dir, char *line, size_t size);
