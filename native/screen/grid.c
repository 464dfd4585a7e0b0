// The rows and columns of a screen: see grid.h.
#include "screen/grid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int grid_open(grid *g, int columns, int rows, const pen *eraser, bh_error *err) {
    size_t count = (size_t)columns * (size_t)rows;
    *g = (grid){.columns = columns, .rows = rows};
    g->row = calloc((size_t)rows, sizeof *g->row);
    g->cells = calloc(count, sizeof *g->cells);
    if (!g->row || !g->cells) {
        grid_close(g);
        return bh_fail(err, ENOMEM, "cannot keep a screen of %d by %d", columns, rows);
    }
    for (int y = 0; y < rows; y++) {
        g->row[y].cells = g->cells + (size_t)y * (size_t)columns;
        grid_erase(g, y, 0, columns, eraser);
    }
    return 0;
}

void grid_close(grid *g) {
    free(g->row);
    free(g->cells);
    *g = (grid){0};
}

// What is erased takes the background along and nothing else of the pen.
static cell emptied(const pen *eraser) {
    return (cell){.width = 1, .pen = {.background = eraser->background}};
}

void grid_part_wide(grid *g, int y, int x, const pen *eraser) {
    cell *cells = g->row[y].cells;
    cells[x - 1] = cells[x] = emptied(eraser);
}

void grid_erase(grid *g, int y, int from, int to, const pen *eraser) {
    const cell empty = emptied(eraser);
    grid_part(g, y, from, eraser);
    grid_part(g, y, to, eraser);
    if (from >= to)
        return;
    // What is filled already is copied behind itself: each line of a flood begins with an empty row.
    cell *cells = g->row[y].cells + from;
    size_t count = (size_t)(to - from);
    cells[0] = empty;
    for (size_t filled = 1; filled < count; filled *= 2)
        memcpy(cells + filled, cells, (filled < count - filled ? filled : count - filled) * sizeof *cells);
}

static void reverse(grid_row *rows, int count) {
    for (int i = 0, j = count - 1; i < j; i++, j--) {
        grid_row swapped = rows[i];
        rows[i] = rows[j];
        rows[j] = swapped;
    }
}

void grid_scroll(grid *g, int top, int bottom, int count, const pen *eraser) {
    int height = bottom - top + 1;
    if (count > height)
        count = height;
    if (count < -height)
        count = -height;
    // Only pointers move, never cells: nearly always by one, and otherwise in a rotation by reversing.
    int up = count >= 0 ? count : height + count;
    if (up == 1) {
        const grid_row first = g->row[top];
        memmove(g->row + top, g->row + top + 1, (size_t)(height - 1) * sizeof first);
        g->row[bottom] = first;
    } else {
        reverse(g->row + top, up);
        reverse(g->row + top + up, height - up);
        reverse(g->row + top, height);
    }
    int from = count >= 0 ? bottom + 1 - count : top;
    for (int y = from; y < from + abs(count); y++) {
        grid_erase(g, y, 0, g->columns, eraser);
        g->row[y].continues = false;
    }
}

void grid_shift(grid *g, int y, int x, int count, const pen *eraser) {
    cell *cells = g->row[y].cells;
    int room = g->columns - x, distance = abs(count) < room ? abs(count) : room;
    size_t kept = (size_t)(room - distance) * sizeof *cells;
    grid_part(g, y, x, eraser);
    grid_part(g, y, count >= 0 ? g->columns - distance : x + distance, eraser);
    if (count >= 0) {
        memmove(cells + x + distance, cells + x, kept);
        for (int i = x; i < x + distance; i++)
            cells[i] = emptied(eraser);
    } else {
        memmove(cells + x, cells + x + distance, kept);
        for (int i = g->columns - distance; i < g->columns; i++)
            cells[i] = emptied(eraser);
    }
}
