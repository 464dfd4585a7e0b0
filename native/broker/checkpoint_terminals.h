// The terminals of a container that is written down or made again: what each has printed, and whose pty it is.
#pragma once

#include "broker/state.h"

enum { CHECKPOINT_TERMINALS_MAX = 16 };

// In a job, with the container standing still. Puts what each terminal has printed into <dir>/<terminal>, and its
// description into the array: {terminal, pts, program, columns, rows, offset}.
int checkpoint_take_terminals(const machine *m, const char *dir, json_t *described, bh_error *err);

// In a job, with the container standing still. `console` listens: on it the runtime has put the master of each pty.
// Starts a monitor for each terminal that is described.
int checkpoint_give_terminals(const machine *m, int console, const char *dir, json_t *described, bh_error *err);
