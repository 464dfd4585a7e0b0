// Namespaces: making them, and joining those that exist (namespaces(7)).
#pragma once

#include "runtime/config.h"

#include <sys/types.h>

// Index of a config.json type in namespace_table; -1 for an unknown one.
int namespace_kind(const char *type);
// The flags of the namespaces to be made new, for clone3.
unsigned long namespaces_to_make(const config *c);
// "user mount pid", for the trace.
const char *namespaces_describe(unsigned long flags, char *text, size_t size);
// Whether the next function has anything to do.
bool namespaces_any_existing(const config *c);
// Moves the caller into the namespaces given by path (its children will be in them), and makes a time namespace with
// offsets, which must be set while it is empty. For a process that is there for nothing else.
int namespaces_enter_existing(const config *c, bh_error *err);
// Writes the id maps of `pid`, a child that waits in its new user namespace.
int namespaces_write_id_maps(const config *c, int proc_fd, pid_t pid, bh_error *err);
// Which id of the host the container's root is; 0 where no map says.
uint32_t namespaces_host_root(const id_map *maps, size_t count);
// A child that has nothing but a user namespace with these maps, and waits to be killed. For mounts that are to be seen
// through other maps than the container's.
pid_t namespaces_hold_id_maps(const id_maps *maps, int proc_fd, bh_error *err);
// Raises the loopback interface of the caller's network namespace.
int namespaces_raise_loopback(bh_error *err);
