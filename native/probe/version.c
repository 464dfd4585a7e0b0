// Kernel versions: see version.h. Pure: all of it is tested without a kernel.
#include "probe/version.h"

#include <stdio.h>
#include <string.h>

bool version_parse(const char *text, kernel_version *v) {
    *v = (kernel_version){0};
    return sscanf(text, "%d.%d.%d", &v->major, &v->minor, &v->patch) >= 2 && v->major >= 0 && v->minor >= 0 &&
           v->patch >= 0;
}

int version_compare(kernel_version a, kernel_version b) {
    if (a.major != b.major)
        return a.major - b.major;
    return a.minor != b.minor ? a.minor - b.minor : a.patch - b.patch;
}

running_kernel version_running(const char *release, const char *version) {
    running_kernel kernel = {0};
    kernel_version true_version;
    const char *debian = strstr(version, "Debian ");
    version_parse(release, &kernel.version);
    if (debian && version_parse(debian + strlen("Debian "), &true_version))
        kernel.version = true_version;
    else
        // "6.8.0-45-generic" (Ubuntu), "5.14.0-427.el9" (RHEL); kernel.org's own "6.8.0" is "6.8", or "-rcN".
        kernel.patched_unseen = kernel.version.patch == 0 && strchr(release, '-') && !strstr(release, "-rc");
    return kernel;
}

static bool is_last(const kernel_hole *hole, size_t i) {
    return i + 1 == sizeof hole->fixed / sizeof *hole->fixed || hole->fixed[i + 1].major == 0;
}

hole_verdict version_judge(const running_kernel *kernel, const kernel_hole *hole) {
    kernel_version v = kernel->version;
    if (version_compare(v, hole->since) < 0)
        return HOLE_CLOSED;
    for (size_t i = 0; i < sizeof hole->fixed / sizeof *hole->fixed && hole->fixed[i].major > 0; i++) {
        kernel_version fixed = hole->fixed[i];
        bool same_branch = v.major == fixed.major && v.minor == fixed.minor;
        if (version_compare(v, fixed) >= 0 && (same_branch || is_last(hole, i)))
            return HOLE_CLOSED;
    }
    return kernel->patched_unseen ? HOLE_UNKNOWN : HOLE_OPEN;
}

const char *version_list_fixed(const kernel_hole *hole, char *text, size_t size) {
    text[0] = '\0';
    for (size_t i = 0; i < sizeof hole->fixed / sizeof *hole->fixed && hole->fixed[i].major > 0; i++) {
        kernel_version v = hole->fixed[i];
        size_t length = strlen(text);
        snprintf(text + length, size - length, v.patch ? "%s%d.%d.%d" : "%s%d.%d", length ? ", " : "", v.major, v.minor,
                 v.patch);
    }
    return text;
}
