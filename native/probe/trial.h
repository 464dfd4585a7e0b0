// Trying something in a child process under a time limit, so that whatever it makes or hangs in ends with the child.
#pragma once

#include "base/error.h"

#include <stdbool.h>

// A trial runs in the child. It returns a number or negative with *err set; both go back to the caller.
typedef int (*trial)(void *argument, bh_error *err);

// Runs `what` and returns what it returned; negative with err->code ETIMEDOUT when it took longer than `timeout_ms`
// (it is killed then), and with EPROTO when it died unasked. Waits for no other child.
int trial_run(trial what, void *argument, int timeout_ms, bh_error *err);
