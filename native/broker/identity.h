// Naming a process over time: a pid and the moment it started, since a pid alone is given out again.
#pragma once

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

// When the process started, in clock ticks since boot (proc_pid_stat(5), field 22); 0 when there is none.
uint64_t process_start_time(pid_t pid);
// A pidfd of exactly that process; negative, with ESRCH, when it has ended.
int process_open(pid_t pid, uint64_t start_time, bh_error *err);
// Ends that process: SIGTERM, and SIGKILL if it is still there after `patience_ms`. Blocks until it is gone; success
// when it was gone already.
int process_end(pid_t pid, uint64_t start_time, int patience_ms, bh_error *err);
// Opens /proc/PID/<what>. Who has the pid is to be looked at afterwards: process_start_time.
int process_open_file(pid_t pid, const char *what, int flags, bh_error *err);
