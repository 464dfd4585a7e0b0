// The launch trace: one JSON line a step, on an fd the caller named. Off, a step costs one comparison.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

extern int trace_fd;       // -1: off
extern bool trace_explain; // lines for a person instead of JSON

// Starts tracing on `fd`, which is closed on exec.
int trace_to(int fd, bh_error *err);
// CLOCK_MONOTONIC in nanoseconds; 0 while tracing is off.
uint64_t trace_now(void);

__attribute__((format(printf, 4, 5))) void trace_write(const char *step, uint64_t start_ns, const char *source,
                                                       const char *format, ...);

// Hands over the steps so far: before a clone, whose child would say them again, before a wait that may be long, before
// exec and before the end.
void trace_flush(void);

#define TRACE_TEXT_(x) #x
#define TRACE_TEXT(x) TRACE_TEXT_(x)
// Says that `step` began at `start_ns` (from trace_now) and ends now; what was done follows as printf arguments.
#define trace_step(step, start_ns, ...)                                                                                \
    do {                                                                                                               \
        if (trace_fd >= 0)                                                                                             \
            trace_write(step, start_ns, "native/" __FILE__ ":" TRACE_TEXT(__LINE__), __VA_ARGS__);                     \
    } while (0)
