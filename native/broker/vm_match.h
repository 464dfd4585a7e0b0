// Before a VM that was moved under emulation goes on, its memory is compared with the one it came from, and made the
// same.
#pragma once

#include "broker/vm_qmp.h"

#include <stdint.h>
#include <sys/types.h>

// Both VMs must stand still. `bytes`: their memory. Returns how many pages differed, negative on failure.
int64_t vm_match_memory(vm_qmp *from, pid_t from_pid, vm_qmp *into, pid_t into_pid, int64_t bytes, bh_error *err);

// Makes `bytes` at `into_at` in one process the same as those at `from_at` in another; both addresses at a page's
// start. Returns how many pages differed, negative on failure.
int64_t vm_match_range(pid_t from, uint64_t from_at, pid_t into, uint64_t into_at, int64_t bytes, bh_error *err);
