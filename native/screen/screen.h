// A terminal's screen as its program left it: what a viewer that comes too late for the bytes is drawn. It follows
// xterm.js, whose screen this has to become again, and keeps what can be seen or felt: text, pens, cursor, margins, tab
// stops, modes, both buffers, the title. Nothing here answers a query.
#pragma once

#include "base/byte_queue.h"
#include "base/frame.h"
#include "screen/grid.h"
#include "screen/vt.h"

enum {
    // A larger screen is not kept: a program may ask for any size, and each cell takes memory.
    SCREEN_CELLS_MAX = 500 * 200,
    SCREEN_CHARSETS = 4,
};

// What DECSC keeps and DECRC brings back.
typedef struct saved_cursor {
    int x, y;
    pen pen;
    uint8_t charset; // of what was invoked then
} saved_cursor;

// One of the two buffers of a terminal.
typedef struct buffer {
    grid grid;
    int x, y; // x may be one beyond the last column: the next character wraps
    int top, bottom;
    saved_cursor saved;
} buffer;

typedef struct modes {
    bool application_cursor, application_keypad, insert, newline, origin, no_wrap, cursor_hidden;
    bool focus, bracketed_paste, mouse_utf8, mouse_sgr, mouse_pixels;
    uint16_t mouse;       // 9, 1000, 1002, 1003 or 0
    uint8_t cursor_style; // of DECSCUSR; 0: as the viewer likes it
} modes;

typedef struct screen {
    vt parser;
    int columns, rows;
    buffer main, alternate; // the alternate's grid is there once it was used
    buffer *now;
    pen pen;
    modes modes;
    uint8_t charset[SCREEN_CHARSETS]; // final characters of the designations: B for ASCII, 0 for line drawing
    uint8_t invoked;                  // which of them is in use
    uint8_t *tab;                     // one a column: a stop
    uint32_t last_printed;            // for REP
    char title[VT_TEXT + 1];
    bool failed; // there was no memory for it: what it holds is worth nothing
} screen;

// Negative when there is no memory, or the size is beyond SCREEN_CELLS_MAX.
int screen_open(screen *s, frame_size size, bh_error *err);
void screen_close(screen *s);

void screen_feed(screen *s, const uint8_t *bytes, size_t length);
// Rows and columns are cut or added at the end; programs draw anew.
void screen_resize(screen *s, frame_size size);

// Appends output that makes a terminal of the same size, which has just been reset, look and behave like this.
int screen_draw(const screen *s, byte_queue *out, bh_error *err);
