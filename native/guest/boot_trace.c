// The trace of a boot: see boot_trace.h. Times are those of CLOCK_MONOTONIC, which counts from the kernel's start.
#include "guest/boot_trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static json_t *steps;

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void boot_step_begin(boot_step *step, const char *name, const char *file, int line) {
    *step = (boot_step){.name = name, .start_us = now_us()};
    snprintf(step->source, sizeof step->source, "%s:%d", file, line);
}

void boot_step_end(boot_step *step) {
    if (!steps)
        steps = json_array();
    json_array_append_new(steps, json_pack("{s:s, s:I, s:I, s:s, s:s}", "step", step->name, "start_us",
                                           (json_int_t)step->start_us, "end_us", (json_int_t)now_us(), "detail",
                                           step->detail, "source", step->source));
}

void boot_step_detail(boot_step *step, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(step->detail, sizeof step->detail, format, args);
    va_end(args);
}

void boot_trace_kernel(void) {
    BOOT_STEP("kernel");
    step.start_us = 0;
    step.source[0] = '\0'; // Debian's source, not ours
    struct utsname kernel;
    if (uname(&kernel) == 0)
        boot_step_detail(&step, "Linux %s", kernel.release);
}

const json_t *boot_trace(void) {
    return steps;
}
