// What the broker says on standard error, one line a fact. In a VM that is the serial console.
#pragma once

typedef enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG } log_level;

void log_set_level(log_level level);
// "error", "warn", "info" or "debug"; negative for any other name.
int log_level_named(const char *name, log_level *level);
__attribute__((format(printf, 2, 3))) void log_line(log_level level, const char *format, ...);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
