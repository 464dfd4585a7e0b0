// The output ring: see ring.h.
#include "monitor/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int ring_open(ring *r, size_t capacity, bh_error *err) {
    void *bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return bh_fail(err, errno, "cannot have a ring of %zu bytes", capacity);
    *r = (ring){.bytes = bytes, .capacity = capacity};
    return 0;
}

void ring_close(ring *r) {
    if (r->bytes)
        munmap(r->bytes, r->capacity);
    *r = (ring){0};
}

void ring_continue(ring *r, uint64_t offset, const uint8_t *bytes, size_t length) {
    if (length > r->capacity) {
        offset += length - r->capacity;
        bytes += length - r->capacity;
        length = r->capacity;
    }
    r->first = r->head = offset;
    while (length > 0) {
        size_t room, part;
        uint8_t *at = ring_room(r, &room);
        part = room < length ? room : length;
        memcpy(at, bytes, part);
        ring_advance(r, part);
        bytes += part;
        length -= part;
    }
}

uint64_t ring_tail(const ring *r) {
    uint64_t oldest = r->head > r->capacity ? r->head - r->capacity : 0;
    return oldest > r->first ? oldest : r->first;
}

uint8_t *ring_room(const ring *r, size_t *length) {
    size_t at = (size_t)(r->head % r->capacity);
    *length = r->capacity - at;
    return r->bytes + at;
}

void ring_advance(ring *r, size_t length) {
    r->head += length;
}

int ring_slices(const ring *r, uint64_t offset, size_t length, struct iovec pieces[2]) {
    size_t at = (size_t)(offset % r->capacity);
    size_t first = r->capacity - at < length ? r->capacity - at : length;
    pieces[0] = (struct iovec){r->bytes + at, first};
    pieces[1] = (struct iovec){r->bytes, length - first};
    return first < length ? 2 : 1;
}

uint64_t ring_first_line(const ring *r) {
    uint64_t tail = ring_tail(r);
    if (tail == r->first) // nothing was cut
        return tail;
    struct iovec pieces[2];
    int count = ring_slices(r, tail, (size_t)(r->head - tail), pieces);
    uint64_t before = tail;
    for (int i = 0; i < count; i++) {
        const uint8_t *newline = memchr(pieces[i].iov_base, '\n', pieces[i].iov_len);
        if (newline)
            return before + (uint64_t)(newline - (const uint8_t *)pieces[i].iov_base) + 1;
        before += pieces[i].iov_len;
    }
    return tail;
}
