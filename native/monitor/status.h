// What the monitor says to the broker: once through a descriptor, and in the file beside the attach socket.
#pragma once

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

// Makes SOCKET.status, empty, mode 0600. Returns its descriptor; it is only appended to.
int status_open(const char *socket, bh_error *err);
// The first line, in both places. The descriptor `fd` is closed.
int status_ready(int file, int fd, pid_t program, pid_t monitor, bh_error *err);
// The second line of the file.
void status_exited(int file, uint8_t kind, int32_t status);
// The only line of a start that failed. The descriptor is closed.
void status_failed(int fd, const bh_error *failure);
