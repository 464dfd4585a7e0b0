// Keeping the runtime's own binary out of the container's reach.
#pragma once

#include "runtime/config.h"

#include <sys/stat.h>

// Before there is a child that a process inside could see: what is not dumpable cannot be traced, nor its fds and
// memory read through /proc (proc(5)).
int seal_forbid_tracing(bh_error *err);

// Whether somebody in a container of `c` could get leave to write this file: not where the user namespace is its own
// and maps neither the file's owner nor its group, for then nobody in there counts as either, and no capability of
// theirs extends to it (user_namespaces(7)).
bool seal_is_needed(const config *c, const struct stat *binary);

// Returns once this process runs from a read-only mount of its binary, having exec'ed itself again if need be, with
// `argv`, which is main's, `trace_fd` (-1: none) and the caller's other fds. Those are then marked to close on exec.
int seal_own_binary(char **argv, int trace_fd, bh_error *err);
// The same for a first process, without the exec where it is not needed.
int seal_for_container(const config *c, char **argv, int trace_fd, bh_error *err);
