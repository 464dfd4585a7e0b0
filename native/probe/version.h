// Kernel versions: reading them, and telling from them whether a hole is closed.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct kernel_version {
    int major, minor, patch;
} kernel_version;

// A running kernel, as far as uname(2) tells.
typedef struct running_kernel {
    kernel_version version;
    // The third number says nothing: a distribution that numbers its own way and brings fixes back into an old kernel.
    bool patched_unseen;
} running_kernel;

typedef struct kernel_hole {
    kernel_version since; // the first with the hole
    kernel_version
        fixed[8]; // the first without, in each stable branch that was mended; mainline's last; ends with 0.0.0
} kernel_hole;

typedef enum hole_verdict {
    HOLE_CLOSED,
    HOLE_OPEN,
    HOLE_UNKNOWN, // open by its number, but the number says nothing about fixes brought back
} hole_verdict;

// "6.18.44-fc" -> 6.18.44. False if it does not begin with a version.
bool version_parse(const char *text, kernel_version *version);
// Less than, equal to or greater than 0, as strcmp.
int version_compare(kernel_version a, kernel_version b);
// From uname's release and version. Debian's release ends in an ABI number, but its version names the true one.
running_kernel version_running(const char *release, const char *version);
hole_verdict version_judge(const running_kernel *kernel, const kernel_hole *hole);
// "5.10.254, 5.15.204, 7.0": where the hole is closed. Returns `text`.
const char *version_list_fixed(const kernel_hole *hole, char *text, size_t size);
