// The guest's file systems, from an initramfs to a writable root. Each function is one step of the boot (guest.c).
#pragma once

#include "base/error.h"

// /proc, /sys and /dev of the initramfs.
int mount_kernel_views(bh_error *err);
// The modules that the image was built with (labs/images/vm/modules), in its order.
int load_modules(bh_error *err);
// The disk, read-only, below a writable layer in memory.
int mount_root(bh_error *err);
// Keeps what the broker needs in reach after the switch: the programs of the initramfs in `state_dir`/bin, and the bare
// disk as the image `base`, so that containers in the VM start from what the VM itself started from.
int keep_programs(const char *state_dir, bh_error *err);
// Makes the new root "/" for good.
int switch_root(bh_error *err);
// Terminals, shared memory and message queues.
int mount_the_rest(bh_error *err);
// The cgroup v2 tree with every controller that the kernel has.
int mount_cgroups(bh_error *err);
// Shows the directory `from` at `to` as well, which is made where it is missing.
int mount_bind(const char *from, const char *to, bh_error *err);
