// Small files of the kernel's (cgroup, proc, sys), and opening paths under a root that may be hostile.
#pragma once

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

// Writes `value` in one write(), as kernel files demand. `path` is relative to `dir` (AT_FDCWD for absolute ones).
int fs_write(int dir, const char *path, const char *value, bh_error *err);
// The same for a file below `dir` on the same mount, with no link on the way: what was mounted there or put in its
// place since is not written to (CVE-2025-52881).
int fs_write_below(int dir, const char *path, const char *value, bh_error *err);
// Reads the whole file into `buffer`, NUL-terminated, without trailing white space. Returns the length.
ssize_t fs_read(int dir, const char *path, char *buffer, size_t size, bh_error *err);
// Replaces `path` by a file holding `value`, so that a reader sees the old text or the new, never half of one.
int fs_replace(int dir, const char *path, const char *value, mode_t mode, bh_error *err);
// Fails unless `fd` lies on a file system with this magic number (linux/magic.h).
int fs_check_magic(int fd, uint32_t magic, const char *what, bh_error *err);
// Opens `path` as if `root` were "/": absolute links and ".." stay inside, magic links are refused (openat2(2)).
int fs_open_in_root(int root, const char *path, int flags, bh_error *err);
// The directory `path` under `root`, made with its parents where missing. Returns an O_PATH fd.
int fs_make_dirs_in_root(int root, const char *path, mode_t mode, bh_error *err);
// As above for an empty regular file: something to mount a file on.
int fs_make_file_in_root(int root, const char *path, bh_error *err);
// mkdir -p.
int fs_make_dirs(const char *path, mode_t mode, bh_error *err);
// Removes a directory and what is in it; links are not followed. One that is already gone is success.
int fs_remove_tree(int dir, const char *path, bh_error *err);
