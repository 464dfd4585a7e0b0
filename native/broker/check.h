// Checks: scripts that look at a machine from where nobody in it can reach them (docs/decisions/007).
#pragma once

#include "broker/state.h"

// Of a script; the runtime's CHECK_SCRIPT_MAX.
#define CHECK_BYTES_MAX 65536

// Ends what a broker that was killed left of its checks.
int checks_clear(const broker *b, bh_error *err);
