// Handing open files from process to process over a Unix socket (SCM_RIGHTS, unix(7)).
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

// A connection to the stream socket at `path`.
int fd_connect(const char *path, bh_error *err);
// Sends the bytes and, with the first of them, `fd`.
int fd_send(int socket, const void *data, size_t length, int fd, bh_error *err);
// Receives one message of at most `size` bytes. *fd is the open file that came with it, close-on-exec, or -1.
// Returns the number of bytes, 0 at the end.
ssize_t fd_receive(int socket, void *data, size_t size, int *fd, bh_error *err);
