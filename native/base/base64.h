// Bytes as text, by RFC 4648 with padding: how files travel in JSON.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Length of the text for so many bytes, without the zero that ends it.
static inline size_t base64_length(size_t bytes) {
    return (bytes + 2) / 3 * 4;
}

// Writes base64_length(length) characters and a zero.
void base64_encode(const uint8_t *bytes, size_t length, char *text);
// Whether `text` is what base64_encode writes for some bytes: nothing else stands for them, not even a line break.
bool base64_is(const char *text);
// Decodes such a text into at most strlen(text) / 4 * 3 bytes; returns how many there are.
size_t base64_decode(const char *text, uint8_t *bytes);
