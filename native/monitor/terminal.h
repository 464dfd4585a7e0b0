// One terminal: a pty's master on one side, any number of viewers on the other, and the rules between them.
#pragma once

#include "base/loop.h"
#include "monitor/viewer.h"

#include <sys/types.h>

enum {
    TERMINAL_RING = 262144,
    TERMINAL_VIEWERS_MAX = 32,
};

typedef struct terminal terminal;

// Owns `master` (made non-blocking here) and sets its size. `ended` is called once, when the program has ended and
// everything it printed is in the ring; viewers are still served then.
terminal *terminal_new(loop *l, int master, frame_size size, size_t ring_bytes,
                       void (*ended)(void *context, uint8_t kind, int32_t status), void *context, bh_error *err);
void terminal_free(terminal *t);
// Before there are viewers: the terminal began elsewhere, and these are the last bytes printed there, from `offset` on.
void terminal_continue(terminal *t, uint64_t offset, const uint8_t *bytes, size_t length);

// Owns `fd`, a connection on the attach socket; beyond TERMINAL_VIEWERS_MAX it is closed at once.
void terminal_add_viewer(terminal *t, int fd);
// The program on the pty has ended, with a status as from waitpid.
void terminal_program_exited(terminal *t, int wait_status);
