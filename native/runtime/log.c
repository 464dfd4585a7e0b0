// Lines for people and for callers: see log.h.
#include "runtime/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static struct {
    const char *path; // NULL: standard error only
    bool json;
} target;

void log_to(const char *path, bool json) {
    target.path = path;
    target.json = json;
}

static void append(const char *level, const char *message) {
    FILE *file = target.path ? fopen(target.path, "ae") : NULL;
    if (!file)
        return;
    char now[32];
    time_t seconds = time(NULL);
    struct tm utc;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
    if (target.json) {
        json_t *line = json_pack("{s:s, s:s, s:s}", "level", level, "msg", message, "time", now);
        json_dumpf(line, file, JSON_COMPACT);
        json_decref(line);
        fputc('\n', file);
    } else {
        fprintf(file, "%s %s: %s\n", now, level, message);
    }
    fclose(file);
}

void log_error(const char *message) {
    fprintf(stderr, "bulkhead: %s\n", message);
    append("error", message);
}

void log_warning(const char *format, ...) {
    char message[640];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (target.path)
        append("warning", message);
    else
        fprintf(stderr, "bulkhead: warning: %s\n", message);
}
