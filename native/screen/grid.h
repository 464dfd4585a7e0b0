// The rows and columns of a screen, and what stands in them.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

// A colour: the kind in the two highest bits, then the number of the palette or red, green and blue.
enum {
    COLOUR_DEFAULT = 0,
    COLOUR_PALETTE = 1 << 24,
    COLOUR_RGB = 2 << 24,
    COLOUR_KIND = 3 << 24,
    COLOUR_VALUE = 0xffffff,
};

enum {
    STYLE_BOLD = 1 << 0,
    STYLE_DIM = 1 << 1,
    STYLE_ITALIC = 1 << 2,
    STYLE_UNDERLINE = 1 << 3,
    STYLE_BLINK = 1 << 4,
    STYLE_INVERSE = 1 << 5,
    STYLE_INVISIBLE = 1 << 6,
    STYLE_STRIKE = 1 << 7,
    STYLE_OVERLINE = 1 << 8,
};

typedef struct pen {
    uint32_t foreground, background;
    uint16_t style;
} pen;

typedef struct cell {
    uint32_t character; // 0: nothing was written here
    uint32_t mark;      // the last that stands on it, or 0
    pen pen;
    uint8_t width; // 0: the right half of the wide character before it
} cell;

typedef struct grid_row {
    cell *cells;
    bool continues; // the row before ran over into this one
} grid_row;

typedef struct grid {
    int columns, rows;
    grid_row *row;
    cell *cells; // of all rows
} grid;

// All cells empty, of `eraser`. Negative when there is no memory.
int grid_open(grid *g, int columns, int rows, const pen *eraser, bh_error *err);
void grid_close(grid *g);

// Empties both halves of the wide character that meet at column `x`.
void grid_part_wide(grid *g, int y, int x, const pen *eraser);

// A wide character whose two halves meet at column `x` is gone: one of them is about to be.
static inline void grid_part(grid *g, int y, int x, const pen *eraser) {
    if (x > 0 && x < g->columns && g->row[y].cells[x].width == 0)
        grid_part_wide(g, y, x, eraser);
}

// Empties the cells [from, to) of a row.
void grid_erase(grid *g, int y, int from, int to, const pen *eraser);
// Moves rows [top, bottom] up by `count` (down when it is negative); those that come in are empty.
void grid_scroll(grid *g, int top, int bottom, int count, const pen *eraser);
// Moves the cells of a row from `x` on to the right by `count` (to the left when it is negative).
void grid_shift(grid *g, int y, int x, int count, const pen *eraser);
