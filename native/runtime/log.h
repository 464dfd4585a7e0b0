// What the runtime says besides its result: lines on standard error or, for --log, in the file that callers read it
// from.
#pragma once

#include <stdbool.h>

// Where lines go from now on. `path` NULL: standard error only. `json`: an object a line, with the fields that
// containerd's client and podman decode (level, msg, time).
void log_to(const char *path, bool json);
// On standard error and in the file.
void log_error(const char *message);
// Something that stops nothing, but that somebody may have meant otherwise. In the file where there is one, for
// standard error may be the container's own by then.
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);
