// The screen where the ring begins: see past.h.
#include "monitor/past.h"

#include <string.h>

// How far it is looked for a place at which nothing is half printed. A program that prints an endless title has none.
enum { REST_WITHIN = 4096 };

void past_note_size(past *p, uint64_t since, frame_size size) {
    if (p->size_count > 0 && p->sizes[p->size_count - 1].since == since) {
        p->sizes[p->size_count - 1].size = size;
        return;
    }
    if (p->size_count == PAST_SIZES) {
        // Resizing a window makes many, one beside the other: the one that was followed soonest goes.
        int shortest = 1;
        for (int i = 2; i + 1 < PAST_SIZES; i++)
            if (p->sizes[i + 1].since - p->sizes[i].since < p->sizes[shortest + 1].since - p->sizes[shortest].since)
                shortest = i;
        memmove(p->sizes + shortest, p->sizes + shortest + 1, (size_t)(PAST_SIZES - shortest - 1) * sizeof p->sizes[0]);
        p->size_count--;
    }
    p->sizes[p->size_count].since = since;
    p->sizes[p->size_count++].size = size;
}

static void begin(past *p) {
    bh_error err;
    p->open = true;
    p->lost = screen_open(&p->screen, p->sizes[0].size, &err) < 0;
}

static void feed(past *p, const ring *r, size_t length) {
    struct iovec pieces[2];
    int count = ring_slices(r, p->offset, length, pieces);
    for (int i = 0; i < count; i++)
        screen_feed(&p->screen, pieces[i].iov_base, pieces[i].iov_len);
    p->offset += length;
}

// Puts the sizes in force that began by now. The first entry is always the one that is.
static void settle_sizes(past *p) {
    while (p->size_count > 1 && p->sizes[1].since <= p->offset) {
        p->size_count--;
        memmove(p->sizes, p->sizes + 1, (size_t)p->size_count * sizeof p->sizes[0]);
        screen_resize(&p->screen, p->sizes[0].size);
    }
}

void past_take(past *p, const ring *r, uint64_t offset) {
    if (offset <= p->offset)
        return;
    if (!p->open)
        begin(p);
    if (p->lost || p->screen.failed) {
        p->lost = true;
        p->offset = offset;
        return;
    }
    while (p->offset < offset) {
        settle_sizes(p);
        uint64_t until = p->size_count > 1 && p->sizes[1].since < offset ? p->sizes[1].since : offset;
        feed(p, r, (size_t)(until - p->offset));
    }
    settle_sizes(p);
}

uint64_t past_rest(past *p, const ring *r) {
    if (p->lost || p->screen.failed)
        return ring_first_line(r);
    for (uint64_t limit = p->offset + REST_WITHIN; p->open && p->offset < r->head && p->offset < limit;) {
        if (vt_at_rest(&p->screen.parser))
            break;
        past_take(p, r, p->offset + 1);
    }
    return p->offset;
}

int past_draw(const past *p, byte_queue *out, bh_error *err) {
    return p->open && !p->lost && !p->screen.failed ? screen_draw(&p->screen, out, err) : 0;
}

void past_close(past *p) {
    if (p->open)
        screen_close(&p->screen);
}
