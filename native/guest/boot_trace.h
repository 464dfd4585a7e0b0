// The steps of a guest's boot as they happen, for `probe`: the page draws them on the same axis as a container's
// launch.
#pragma once

#include <jansson.h>
#include <stdint.h>

typedef struct boot_step {
    const char *name;
    char source[64];
    char detail[192];
    int64_t start_us;
} boot_step;

// Begins a step that lasts until the end of the enclosing block, in a variable `step`.
#define BOOT_STEP(title)                                                                                               \
    __attribute__((cleanup(boot_step_end))) boot_step step;                                                            \
    boot_step_begin(&step, title, "native/" __FILE__, __LINE__)

void boot_step_begin(boot_step *step, const char *name, const char *file, int line);
void boot_step_end(boot_step *step);
// What the step found or did, in a few words.
__attribute__((format(printf, 2, 3))) void boot_step_detail(boot_step *step, const char *format, ...);

// The kernel's own part: everything from its first instruction until now.
void boot_trace_kernel(void);
// All steps so far: [{step, start_us, end_us, detail, source}]. Borrowed.
const json_t *boot_trace(void);
