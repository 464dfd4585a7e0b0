// A VM goes on in another QEMU: moved there while it runs, or from a moment that was saved. The other QEMU is started
// beside the first, in a directory of its own, so that the first is unharmed until the other runs. For jobs: blocking.
#pragma once

#include "broker/vm.h"

#include <jansson.h>

// How a caller follows a move and may end it. `tell` steals {status, elapsed_ms, pause_ms, rounds, transferred_bytes,
// remaining_bytes, total_bytes}.
typedef struct vm_move_watch {
    void (*tell)(json_t *figures);
    bool (*cancelled)(void);
} vm_move_watch;

// Moves the VM whose sockets are in `from_dir` to a QEMU that is started as `to` says (to->memory is set here).
// *figures: the last that were told. On failure the first QEMU runs on and the other is gone.
// `from`: the process of the first.
int vm_move_live(const char *from_dir, pid_t from, vm_spec *to, const vm_move_watch *watch, pid_t *pid,
                 json_t **figures, bh_error *err);
// After whoever moved it has died, and vm_stays has failed: the VM that has arrived goes on, as if nobody had died.
int vm_arrived(const char *from_dir, pid_t from, const vm_spec *to, pid_t pid, bh_error *err);
// Writes all of a VM, memory included, to `file` while it stands still; then it goes on.
int vm_save(const char *dir, int file, const vm_move_watch *watch, json_t **figures, bh_error *err);
// Starts a QEMU as `to` says that goes on from what vm_save wrote to `file`.
int vm_resume(vm_spec *to, int file, pid_t *pid, bh_error *err);
// After whoever moved it has died: calls a move off. Success when the VM runs where it is; it then stays there.
int vm_stays(const char *dir, bh_error *err);
// After whoever saved it has died: a VM that stands still goes on.
int vm_continue(const char *dir, bh_error *err);
// The other QEMU's sockets and console.log take the place of the first's, which is ended.
int vm_take_place(const char *dir, const char *next_dir, bh_error *err);
