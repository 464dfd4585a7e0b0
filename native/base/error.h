// The error contract of all of native/: a function that can fail returns a negative number if and only if it has
// set *err; on success it leaves *err untouched. The message names the object and, where there is one, the next step.
#pragma once

#include <stddef.h>

typedef struct bh_error {
    int code;          // an errno value, or 0 when no system call was at fault
    char message[512]; // one line for a person, without a trailing newline
} bh_error;

// Sets *err to the formatted message and, when `code` is not 0, ": strerror(code)". Always returns -1, so that a
// step can end with `return bh_fail(err, errno, "cannot open %s", path);`.
__attribute__((format(printf, 3, 4))) int bh_fail(bh_error *err, int code, const char *format, ...);

// Puts "what: " in front of a message that is already set. Always returns -1.
__attribute__((format(printf, 2, 3))) int bh_wrap(bh_error *err, const char *format, ...);
