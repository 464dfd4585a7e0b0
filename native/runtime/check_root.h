// The root file system of a check: the image's programs, the machine's files to look at, and nothing that anybody in
// the machine can change, replace or put in the way.
#pragma once

#include "base/error.h"

#include <stddef.h>

// Where the machine's own files are, and the script.
#define CHECK_MACHINE "/machine"
#define CHECK_SCRIPT "/check"

// A detached copy of everything that is mounted in the machine, only to be read, in which no link is followed. `init`
// is a pidfd of the machine's first process; -1: the machine is the caller's own. The caller's "/" and working
// directory are those of its mount namespace afterwards.
int check_copy_machine(int init, int proc_fd, bh_error *err);
// In a mount namespace that the caller has to itself: puts the root together on top of "/". Returns an fd of it.
int check_root_make(const char *image, int machine, const char *script, size_t length, bh_error *err);
// Once the caller is in the machine's namespaces: what the kernel says of its processes and devices, and of its network
// and control groups.
int check_root_add_views(int root, bh_error *err);
// Makes it "/", for good.
int check_root_enter(int root, bh_error *err);
