// UTF-8: see utf8.h.
#include "broker/utf8.h"

#include "base/cleanup.h"

#include <stdint.h>
#include <string.h>

// The length of the well-formed sequence at `at` (table 3-7 of the Unicode standard), or 0.
static size_t sequence(const uint8_t *at, size_t left) {
    uint8_t first = at[0], least = 0x80, most = 0xBF;
    size_t length = first < 0x80                       ? 1
                    : (first >= 0xC2 && first <= 0xDF) ? 2
                    : (first & 0xF0) == 0xE0           ? 3
                    : (first >= 0xF0 && first <= 0xF4) ? 4
                                                       : 0;
    if (length == 0 || length > left)
        return 0;
    if (first == 0xE0)
        least = 0xA0; // less would be an overlong form
    if (first == 0xED)
        most = 0x9F; // more would be a surrogate
    if (first == 0xF0)
        least = 0x90;
    if (first == 0xF4)
        most = 0x8F; // more would be beyond U+10FFFF
    for (size_t i = 1; i < length; i++) {
        if (at[i] < least || at[i] > most)
            return 0;
        least = 0x80;
        most = 0xBF;
    }
    return length;
}

json_t *utf8_to_json(const char *bytes, size_t length) {
    static const char replacement[] = "\xEF\xBF\xBD";
    cleanup_free char *text = malloc(3 * length + 1);
    if (!text)
        return json_string("");
    size_t written = 0;
    for (size_t at = 0; at < length;) {
        size_t good = sequence((const uint8_t *)bytes + at, length - at);
        memcpy(text + written, good ? bytes + at : replacement, good ? good : 3);
        written += good ? good : 3;
        at += good ? good : 1;
    }
    return json_stringn(text, written);
}
