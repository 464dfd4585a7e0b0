// The trace of a VM's beginning: see vm_trace.h.
#include "broker/vm_trace.h"

#include <stdio.h>
#include <time.h>

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void vm_trace_begin(vm_trace *trace) {
    int64_t now = now_us();
    *trace = (vm_trace){json_array(), now, now};
}

void vm_trace_note(vm_trace *trace, const char *step, const char *detail, const char *file, int line) {
    char source[64];
    if (!trace)
        return;
    int64_t now = now_us();
    snprintf(source, sizeof source, "%s:%d", file, line);
    json_array_append_new(trace->steps,
                          json_pack("{s:s, s:I, s:I, s:s, s:s}", "step", step, "start_us",
                                    (json_int_t)(trace->at_us - trace->began_us), "end_us",
                                    (json_int_t)(now - trace->began_us), "detail", detail, "source", source));
    trace->at_us = now;
}
