// CRIU's refusals: see criu_complaint.h. Each text in the table was seen in the log of a refusal
// (tests/integration/vm-checkpoint.test.ts brings them about).
#include "runtime/criu_complaint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_SHOWN = 240 };

static const struct {
    const char *said, *sentence;
    int code;
} known[] = {
    {"Connected TCP socket", "an open TCP connection has another end, which would not come along: close it first",
     ENOTSUP},
    {"nested user namespace", "a user namespace was made inside it, and CRIU writes down the container's own alone",
     ENOTSUP},
    {"nested pid namespace", "a pid namespace was made inside it, and CRIU writes down the container's own alone",
     ENOTSUP},
    {"Unseizable non-zombie", "a process in it is being traced (by strace or gdb), as CRIU itself would have to do",
     ENOTSUP},
    {"Can't dump ghost file", "a file of more than 4 MiB was deleted and is still open: close it first", ENOTSUP},
    {"Unable to create a new time namespace", "the kernel here makes no time namespace for it", ENOTSUP},
    {"No space left on device", "there is no room for what has to be written down", ENOSPC},
    {"Can't allocate memory", "there is not enough memory", ENOMEM},
};

// Complaints of helpers that CRIU can do without (iptables, where there is nft), and those that say only that there was
// an earlier one.
static bool says_nothing(const char *line) {
    static const char *const empty[] = {"(criu/util.c:", "tun: Unable to create tun", "Dumping FAILED",
                                        "Restoring FAILED", "execvp(\"ip"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if (strstr(line, empty[i]))
            return true;
    return false;
}

// The first complaint is the cause, those after it are what came of it. Copied without its time.
static bool find_complaint(const char *log, char line[LINE_MAX_SHOWN]) {
    for (const char *at = log, *end; *at; at = *end ? end + 1 : end) {
        end = at + strcspn(at, "\n");
        const char *error = memmem(at, (size_t)(end - at), "Error (", 7);
        if (!error)
            continue;
        snprintf(line, LINE_MAX_SHOWN, "%.*s", (int)(end - error), error);
        if (!says_nothing(line))
            return true;
    }
    return false;
}

int criu_complaint(const char *log, bool restore, bh_error *err) {
    char line[LINE_MAX_SHOWN];
    if (!find_complaint(log, line))
        return bh_fail(err, 0, "CRIU gave up without a complaint in its log");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(line, known[i].said)) {
            bh_fail(err, 0, "%s (CRIU: %s)", known[i].sentence, line);
            err->code = known[i].code;
            return -1;
        }
    return bh_fail(err, 0, "CRIU could not %s: %s", restore ? "restore it" : "write it down", line);
}
