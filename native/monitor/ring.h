// The last bytes of a terminal's output, addressed by their offset in the terminal's life.
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

typedef struct ring {
    uint8_t *bytes; // pages that were never written cost nothing
    size_t capacity;
    uint64_t head;  // offset of the next byte: how much has been printed so far
    uint64_t first; // offset of the first byte that ever was here: 0, but for a terminal that began elsewhere
} ring;

// Room for the last `capacity` bytes, taken from the kernel as they are first written.
int ring_open(ring *r, size_t capacity, bh_error *err);
void ring_close(ring *r);
// In an empty ring: the terminal began elsewhere, and these are the last bytes that it printed there.
void ring_continue(ring *r, uint64_t offset, const uint8_t *bytes, size_t length);

// Offset of the oldest byte that is still here.
uint64_t ring_tail(const ring *r);
// Where the next bytes go, so that they can be read straight into place: at least one byte of room, and the oldest
// bytes are overwritten. ring_advance says how many came.
uint8_t *ring_room(const ring *r, size_t *length);
void ring_advance(ring *r, size_t length);

// The bytes [offset, offset + length), all of which must be here, in one or two pieces. Returns how many.
int ring_slices(const ring *r, uint64_t offset, size_t length, struct iovec pieces[2]);
// Where a viewer that lost output goes on: after the first newline from the tail on, because the tail may be inside an
// escape sequence or a character; at the tail when there is no newline.
uint64_t ring_first_line(const ring *r);
