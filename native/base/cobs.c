// COBS: see cobs.h. The data is cut into runs without a zero; each run is preceded by its length + 1. A run of 254
// (code 255) is followed by the next run directly, any shorter run by a zero, but for the last.
#include "base/cobs.h"

enum { LONGEST = 255 };

size_t cobs_encode(const uint8_t *in, size_t length, uint8_t *out) {
    size_t written = 1;
    size_t code_at = 0;
    for (size_t i = 0; i < length; i++) {
        if (in[i] != 0)
            out[written++] = in[i];
        size_t code = written - code_at;
        // A full run at the very end needs no empty run after it.
        if (in[i] == 0 || (code == LONGEST && i + 1 < length)) {
            out[code_at] = (uint8_t)code;
            code_at = written++;
        }
    }
    out[code_at] = (uint8_t)(written - code_at);
    return written;
}

ssize_t cobs_decode(const uint8_t *in, size_t length, uint8_t *out) {
    if (length == 0)
        return -1;
    size_t written = 0;
    size_t at = 0;
    while (at < length) {
        size_t code = in[at++];
        if (code == 0 || code - 1 > length - at)
            return -1;
        for (size_t i = 1; i < code; i++, at++) {
            if (in[at] == 0)
                return -1;
            out[written++] = in[at];
        }
        if (code < LONGEST && at < length)
            out[written++] = 0;
    }
    return (ssize_t)written;
}
