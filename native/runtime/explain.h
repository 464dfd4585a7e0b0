// The launch trace for a person: one line a step on standard error, as it happens (`run --explain`).
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

// Steps traced from now on are told in words.
int explain_begin(bh_error *err);
// The line for one step; `begin_ns` is when the first one began. Returns its length.
int explain_line(char *line, size_t size, const char *step, uint64_t start_ns, uint64_t end_ns, uint64_t begin_ns,
                 const char *detail, const char *source);
