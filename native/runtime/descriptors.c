// File descriptors on their way into a container: see descriptors.h.
#include "runtime/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST = 3, PRESERVED_MAX = 1024 };

int descriptors_parse_preserved(const char *text, int *count, bh_error *err) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || !*text || *end || number < 0 || number > PRESERVED_MAX)
        return bh_fail(err, 0, "--preserve-fds %s: wanted a number up to %d", text, PRESERVED_MAX);
    for (int fd = FIRST; fd < FIRST + number; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            return bh_fail(err, errno, "--preserve-fds %s: fd %d is not open", text, fd);
    *count = (int)number;
    return 0;
}

int descriptors_close_on_exec(bh_error *err) {
    if (close_range(FIRST, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot close the caller's fds on exec");
    return 0;
}

int descriptors_close_others(int preserved, const int *kept, size_t count, bh_error *err) {
    for (int from = FIRST + preserved;;) {
        int next = INT_MAX; // the lowest one to keep that is not below `from`
        for (size_t i = 0; i < count; i++)
            if (kept[i] >= from && kept[i] < next)
                next = kept[i];
        if (next > from && close_range((unsigned)from, next == INT_MAX ? ~0u : (unsigned)next - 1, 0) < 0)
            return bh_fail(err, errno, "cannot close the runtime's fds");
        if (next == INT_MAX)
            return 0;
        from = next + 1;
    }
}

int descriptors_leave_open(int preserved, bh_error *err) {
    if (close_range(FIRST + (unsigned)preserved, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot close the runtime's fds");
    for (int fd = FIRST; fd < FIRST + preserved; fd++)
        if (fcntl(fd, F_SETFD, 0) < 0)
            return bh_fail(err, errno, "--preserve-fds: fd %d", fd);
    return 0;
}
