// How a VM begins, step by step as it happens, in the form of a launch trace (docs/protocol.md): each step lasts from
// the end of the one before it.
#pragma once

#include <jansson.h>
#include <stdint.h>

typedef struct vm_trace {
    json_t *steps; // [{step, start_us, end_us, detail, source}]
    int64_t began_us, at_us;
} vm_trace;

// Counts from now on. Released with json_decref(steps).
void vm_trace_begin(vm_trace *trace);
// Says that `step` has been done. NULL: nobody wants to know.
#define vm_trace_step(trace, step, detail) vm_trace_note(trace, step, detail, "native/" __FILE__, __LINE__)
void vm_trace_note(vm_trace *trace, const char *step, const char *detail, const char *file, int line);
