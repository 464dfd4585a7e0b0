// Log lines: see log.h.
#include "broker/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
static log_level threshold = LOG_INFO;

void log_set_level(log_level level) {
    threshold = level;
}

int log_level_named(const char *name, log_level *level) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *level = (log_level)i;
            return 0;
        }
    }
    return -1;
}

void log_line(log_level level, const char *format, ...) {
    if (level > threshold)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    // Some of it may be a guest's words: nothing that a terminal would obey, and no line that is not the broker's.
    for (char *at = text; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    // One call, so that lines of a job and of the broker never mix.
    fprintf(stderr, "bulkheadd: %s\n", text);
}
