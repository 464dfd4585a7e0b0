// Consistent Overhead Byte Stuffing: any bytes without a zero among them, so that a zero can end a packet and a reader
// can find its place again in a stream that began anywhere. (Cheshire and Baker, IEEE/ACM ToN 1999.)
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The most bytes that `length` bytes can become.
#define COBS_MAX(length) ((length) + (length) / 254 + 1)

// Returns the bytes written to `out`, at most COBS_MAX(length). The zero that ends a packet is not written.
size_t cobs_encode(const uint8_t *in, size_t length, uint8_t *out);
// Undoes it; `in` is what came before the zero. `out` may be `in`. Returns the bytes written (fewer than `length`), or
// -1 when this is not something cobs_encode writes.
ssize_t cobs_decode(const uint8_t *in, size_t length, uint8_t *out);
