// The container's root: the image as an overlay's lower layer with a size-limited tmpfs above it, or the folder itself.
#pragma once

#include "runtime/config.h"

// As the host's root: a detached copy of the mount that holds root.path. Returns its fd.
int rootfs_open(const config *c, bh_error *err);
// As the host's root, once the container's user namespace has its maps: files of the image's uid 0 are to belong to the
// container's uid 0. Only for an overlay.
int rootfs_map_ids(int source, int proc_fd, pid_t pid, bh_error *err);
// As the host's root: a detached copy of the mount that is to hold the writable layer, where the configuration names
// one; else -1 without an error.
int rootfs_open_layer(const config *c, int *layer, bh_error *err);
// In the container's init: makes the root out of `source` and returns an fd of it. *stage becomes that of the mount
// with the overlay's layers, to be handed on and closed, or -1.
int rootfs_make(const config *c, int source, int layer, int *stage, bh_error *err);
// The overlay alone, attached nowhere; what it was put together on covers "/" of the caller's mount namespace.
int rootfs_make_overlay(const config *c, int source, int layer, int *stage, bh_error *err);
// Turns the root into "/" and lets go of everything that was there before.
int rootfs_enter(const config *c, int root, int stage, bh_error *err);
