// The error contract: see error.h.
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int bh_fail(bh_error *err, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);

    err->code = code;
    if (code != 0 && length >= 0 && (size_t)length < sizeof err->message)
        snprintf(err->message + length, sizeof err->message - (size_t)length, ": %s", strerror(code));
    return -1;
}

int bh_wrap(bh_error *err, const char *format, ...) {
    char inner[sizeof err->message];
    memcpy(inner, err->message, sizeof inner);

    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);

    // A message that is too long loses its end; the precision says so to the compiler.
    if (length >= 0 && (size_t)length < sizeof err->message) {
        int room = (int)(sizeof err->message - (size_t)length);
        snprintf(err->message + length, (size_t)room, ": %.*s", room > 3 ? room - 3 : 0, inner);
    }
    return -1;
}
