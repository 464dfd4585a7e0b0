// The launch trace: see trace.h.
#include "runtime/trace.h"
#include "runtime/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int trace_fd = -1;
bool trace_explain;
static uint64_t begin_ns; // when tracing began; the container's init has it from its parent

// Lines wait here and are written many at a time: each write wakes a reader, which wants the processor just when the
// launch does. At most PIPE_BUF, which a pipe takes as a whole: lines of the parent and of the container's init do not
// mix.
static char waiting[PIPE_BUF];
static size_t waiting_length;

void trace_flush(void) {
    // A reader that has gone must not fail the launch.
    if (trace_fd >= 0 && waiting_length > 0 && write(trace_fd, waiting, waiting_length) < 0)
        trace_fd = -1;
    waiting_length = 0;
}

int trace_to(int fd, bh_error *err) {
    if (fd < 3 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return bh_fail(err, fd < 3 ? EINVAL : errno, "--trace-fd %d", fd);
    trace_fd = fd;
    begin_ns = trace_now();
    return 0;
}

uint64_t trace_now(void) {
    struct timespec now;
    if (trace_fd < 0)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Copies `text` as the inside of a JSON string.
static void escape(const char *text, char *out, size_t size) {
    size_t at = 0;
    for (; *text && at + 7 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = (char)c;
        } else if (c < 0x20) {
            at += (size_t)snprintf(out + at, size - at, "\\u%04x", c);
        } else {
            out[at++] = (char)c;
        }
    }
    out[at] = '\0';
}

void trace_write(const char *step, uint64_t start_ns, const char *source, const char *format, ...) {
    uint64_t end_ns = trace_now();
    char detail[512], escaped[1024], line[1536];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    escape(detail, escaped, sizeof escaped);
    int length = trace_explain ? explain_line(line, sizeof line, step, start_ns, end_ns, begin_ns, detail, source)
                               : snprintf(line, sizeof line,
                                          "{\"step\":\"%s\",\"start_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64
                                          ",\"detail\":\"%s\",\"source\":\"%s\"}\n",
                                          step, start_ns, end_ns, escaped, source);
    if (waiting_length + (size_t)length > sizeof waiting)
        trace_flush();
    memcpy(waiting + waiting_length, line, (size_t)length);
    waiting_length += (size_t)length;
    if (trace_explain) // as it happens
        trace_flush();
}
