// What CRIU's log says of a refusal, as one sentence for people.
#pragma once

#include "base/error.h"

#include <stdbool.h>

// Always fails: *err gets a sentence for the refusal, where there is one, and the line of the log that it is about.
// err->code is ENOTSUP when the container has what CRIU cannot move.
int criu_complaint(const char *log, bool restore, bh_error *err);
