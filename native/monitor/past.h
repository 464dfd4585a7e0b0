// The screen as it was where the ring begins: made from what falls out of the ring, so that a viewer that lost output
// can be drawn what it did not see, and go on from there. Nothing is kept, and nothing is done, until output falls out.
#pragma once

#include "monitor/ring.h"
#include "screen/screen.h"

#include <stdbool.h>

enum { PAST_SIZES = 64 };

typedef struct past {
    screen screen;
    bool open;
    bool lost;       // there was no memory, or the screen was too large: nothing can be drawn
    uint64_t offset; // the screen is as it was when so much had been printed
    struct {
        uint64_t since;
        frame_size size;
    } sizes[PAST_SIZES]; // in force from these offsets on; the first is the screen's own until it is open
    int size_count;
} past;

// The terminal has this size from offset `since` on; at first from 0. When there are too many to remember, those that
// were in force for the shortest part of the output are forgotten.
void past_note_size(past *p, uint64_t since, frame_size size);
// Takes in what was printed before `offset`, all of which after p->offset must still be in the ring.
void past_take(past *p, const ring *r, uint64_t offset);
// Moves on to the next offset at which no escape sequence or character is half printed, and returns it: there a viewer
// goes on. Without a screen, a line start.
uint64_t past_rest(past *p, const ring *r);
// Appends output that draws the screen on a terminal that was just reset; nothing where there is none.
int past_draw(const past *p, byte_queue *out, bh_error *err);
void past_close(past *p);
