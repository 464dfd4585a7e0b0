// Base64: see base64.h.
#include "base/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *bytes, size_t length, char *text) {
    for (size_t at = 0; at < length; at += 3) {
        size_t left = length - at;
        uint32_t group = (uint32_t)bytes[at] << 16;
        if (left > 1)
            group |= (uint32_t)bytes[at + 1] << 8;
        if (left > 2)
            group |= bytes[at + 2];
        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *text++ = left > 2 ? alphabet[group & 63] : '=';
    }
    *text = '\0';
}

// -1 for what is not in the alphabet; strchr would find the zero that ends it.
static int value_of(char c) {
    const char *found = c ? strchr(alphabet, c) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

bool base64_is(const char *text) {
    size_t length = strlen(text), padding = 0;
    if (length % 4 != 0)
        return false;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < length - padding; i++) {
        if (value_of(text[i]) < 0)
            return false;
    }
    // The bits of the last character that belong to no byte are zero, or two texts would mean the same.
    int unused = padding == 2 ? 15 : (padding == 1 ? 3 : 0);
    return padding == 0 || (value_of(text[length - padding - 1]) & unused) == 0;
}

size_t base64_decode(const char *text, uint8_t *bytes) {
    size_t count = 0;
    for (size_t length = strlen(text), at = 0; at + 4 <= length; at += 4) {
        uint32_t group = 0;
        size_t padding = 0;
        for (size_t i = 0; i < 4; i++) {
            int value = value_of(text[at + i]);
            padding += value < 0;
            group = group << 6 | (uint32_t)(value < 0 ? 0 : value);
        }
        for (size_t i = 0; i < 3 - padding; i++)
            bytes[count++] = (uint8_t)(group >> (16 - 8 * i));
    }
    return count;
}
