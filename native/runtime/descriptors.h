// Which file descriptors reach a container: the three standard ones and what --preserve-fds names.
#pragma once

#include "base/error.h"

#include <stddef.h>

// Reads the number of --preserve-fds. The fds it counts, from 3 on, must be open already: a gap would be filled by
// something that the runtime opens for itself, and that would be handed to the container.
int descriptors_parse_preserved(const char *text, int *count, bh_error *err);
// Marks all fds but the standard ones: nothing that the caller forgot to close may reach a container, or a hook.
int descriptors_close_on_exec(bh_error *err);
// Closes every fd from 3 on but the `preserved` ones and those of `kept`, which may hold -1 for none. Close-on-exec is
// not enough for what leads to the host: a path goes through /proc/self/fd before the exec has happened.
int descriptors_close_others(int preserved, const int *kept, size_t count, bh_error *err);
// Right before exec: closes, by it, all fds but the standard and the `preserved` ones.
int descriptors_leave_open(int preserved, bh_error *err);
