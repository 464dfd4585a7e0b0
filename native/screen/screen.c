// A screen: printing and moving. See screen.h.
#include "screen/screen.h"

#include "screen/operations.h"
#include "screen/width.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// --- Being ---

static void empty(buffer *b) {
    for (int y = 0; y < b->grid.rows; y++) {
        grid_erase(&b->grid, y, 0, b->grid.columns, &(pen){0});
        b->grid.row[y].continues = false;
    }
    b->x = b->y = b->top = 0;
    b->bottom = b->grid.rows - 1;
    b->saved = (saved_cursor){.charset = 'B'};
}

void screen_default_tabs(screen *s) {
    for (int x = 0; x < s->columns; x++)
        s->tab[x] = x % 8 == 0;
}

static bool is_too_large(frame_size size) {
    return size.columns == 0 || size.rows == 0 || (uint32_t)size.columns * size.rows > SCREEN_CELLS_MAX;
}

int screen_open(screen *s, frame_size size, bh_error *err) {
    *s = (screen){.columns = size.columns, .rows = size.rows};
    s->now = &s->main;
    s->parser = (vt){.events = &SCREEN_EVENTS, .context = s};
    if (is_too_large(size))
        return bh_fail(err, 0, "a screen of %d by %d is not kept", size.columns, size.rows);
    s->tab = calloc(size.columns, 1);
    if (!s->tab || grid_open(&s->main.grid, s->columns, s->rows, &(pen){0}, err) < 0) {
        screen_close(s);
        return bh_fail(err, ENOMEM, "cannot keep a screen");
    }
    screen_reset(s);
    return 0;
}

void screen_close(screen *s) {
    grid_close(&s->main.grid);
    grid_close(&s->alternate.grid);
    free(s->tab);
    s->tab = NULL;
}

void screen_reset(screen *s) {
    s->now = &s->main;
    empty(&s->main);
    grid_close(&s->alternate.grid);
    s->alternate = (buffer){.saved = {.charset = 'B'}};
    s->pen = (pen){0};
    s->modes = (modes){0};
    memset(s->charset, 'B', sizeof s->charset);
    s->invoked = 0;
    s->last_printed = 0;
    screen_default_tabs(s);
}

void screen_feed(screen *s, const uint8_t *bytes, size_t length) {
    if (!s->failed)
        vt_feed(&s->parser, bytes, length);
}

// --- Size ---

static int resize_buffer(buffer *b, const screen *s, bh_error *err) {
    if (!b->grid.cells)
        return 0;
    grid larger;
    if (grid_open(&larger, s->columns, s->rows, &(pen){0}, err) < 0)
        return -1;
    // As in xterm.js: rows go at the top while the cursor would be lost at the bottom.
    int skipped = b->y >= s->rows ? b->y - s->rows + 1 : 0;
    int columns = b->grid.columns < s->columns ? b->grid.columns : s->columns;
    for (int y = 0; y < s->rows && y + skipped < b->grid.rows; y++) {
        memcpy(larger.row[y].cells, b->grid.row[y + skipped].cells, (size_t)columns * sizeof(cell));
        larger.row[y].continues = b->grid.row[y + skipped].continues;
    }
    grid_close(&b->grid);
    b->grid = larger;
    b->y -= skipped;
    if (b->x >= s->columns)
        b->x = s->columns - 1;
    if (b->saved.x >= s->columns)
        b->saved.x = s->columns - 1;
    if (b->saved.y >= s->rows)
        b->saved.y = s->rows - 1;
    b->top = 0;
    b->bottom = s->rows - 1;
    return 0;
}

void screen_resize(screen *s, frame_size size) {
    bh_error err;
    int before = s->columns;
    uint8_t *tab = is_too_large(size) || s->failed ? NULL : realloc(s->tab, size.columns);
    s->failed = !tab;
    if (s->failed)
        return;
    s->tab = tab;
    s->columns = size.columns;
    s->rows = size.rows;
    for (int x = before; x < s->columns; x++)
        s->tab[x] = x % 8 == 0;
    s->failed = resize_buffer(&s->main, s, &err) < 0 || resize_buffer(&s->alternate, s, &err) < 0;
}

// --- The cursor ---

static int clamp(int value, int least, int most) {
    return value < least ? least : value > most ? most : value;
}

void screen_restrict(screen *s) {
    buffer *b = s->now;
    b->x = clamp(b->x, 0, s->columns - 1);
    b->y = s->modes.origin ? clamp(b->y, b->top, b->bottom) : clamp(b->y, 0, s->rows - 1);
}

void screen_go(screen *s, int x, int y) {
    s->now->x = x;
    s->now->y = s->modes.origin ? s->now->top + y : y;
    screen_restrict(s);
}

void screen_save_cursor(screen *s) {
    s->now->saved = (saved_cursor){s->now->x, s->now->y, s->pen, s->charset[s->invoked]};
}

void screen_restore_cursor(screen *s) {
    const saved_cursor *saved = &s->now->saved;
    s->now->x = saved->x;
    s->now->y = saved->y;
    s->pen = saved->pen;
    s->charset[s->invoked] = saved->charset;
    screen_restrict(s);
}

void screen_tab(screen *s, bool back) {
    int x = s->now->x;
    if (x >= s->columns)
        return; // the pending wrap stays
    do {
        x += back ? -1 : 1;
    } while (x > 0 && x < s->columns && !s->tab[x]);
    s->now->x = clamp(x, 0, s->columns - 1);
}

// --- Lines ---

void screen_line_feed(screen *s) {
    buffer *b = s->now;
    if (s->modes.newline)
        b->x = 0;
    if (b->y == b->bottom) {
        grid_scroll(&b->grid, b->top, b->bottom, 1, &s->pen);
    } else if (b->y < s->rows - 1) {
        b->y++;
        b->grid.row[b->y].continues = false;
    }
    if (b->x >= s->columns)
        b->x--;
}

void screen_index(screen *s) {
    buffer *b = s->now;
    screen_restrict(s);
    if (b->y == b->bottom)
        grid_scroll(&b->grid, b->top, b->bottom, 1, &s->pen);
    else
        b->y++;
    screen_restrict(s);
}

void screen_reverse_line_feed(screen *s) {
    screen_restrict(s);
    if (s->now->y == s->now->top)
        grid_scroll(&s->now->grid, s->now->top, s->now->bottom, -1, &s->pen);
    else
        s->now->y--;
    screen_restrict(s);
}

static void wrap(screen *s) {
    buffer *b = s->now;
    b->x = 0;
    if (b->y == b->bottom)
        grid_scroll(&b->grid, b->top, b->bottom, 1, &s->pen);
    else if (b->y < s->rows - 1)
        b->y++;
    b->grid.row[b->y].continues = true;
}

// --- Printing ---

static void put_mark(screen *s, uint32_t mark) {
    buffer *b = s->now;
    int x = b->x - 1;
    cell *cells = b->grid.row[b->y].cells;
    if (x > 0 && cells[x].width == 0)
        x--;
    if (s->last_printed && x >= 0 && cells[x].character != 0)
        cells[x].mark = mark;
}

void screen_print(screen *s, uint32_t character) {
    if (character < 0x7f && s->charset[s->invoked] == '0')
        character = line_drawing(character);
    int width = character_width(character);
    if (width == 0) {
        put_mark(s, character);
        return;
    }
    buffer *b = s->now;
    s->last_printed = character;
    if (b->x + width > s->columns) {
        if (!s->modes.no_wrap && width <= s->columns) {
            if (b->x < s->columns) // a wide one does not fit in the last column
                grid_erase(&b->grid, b->y, b->x, s->columns, &s->pen);
            wrap(s);
        } else {
            b->x = s->columns - 1;
            if (width == 2)
                return;
        }
    }
    if (s->modes.insert)
        grid_shift(&b->grid, b->y, b->x, width, &s->pen);
    grid_part(&b->grid, b->y, b->x, &s->pen);
    grid_part(&b->grid, b->y, b->x + width, &s->pen);
    cell *cells = b->grid.row[b->y].cells;
    cells[b->x++] = (cell){.character = character, .width = (uint8_t)width, .pen = s->pen};
    if (width == 2)
        cells[b->x++] = (cell){.pen = s->pen};
}

// A part of a row at a time: a monitor whose program floods its terminal does little else than this.
void screen_print_text(screen *s, const uint8_t *ascii, size_t length) {
    buffer *b = s->now;
    const bool plain = !s->modes.insert && s->charset[s->invoked] != '0';
    while (length > 0) {
        if (!plain || b->x >= s->columns) {
            screen_print(s, *ascii++);
            length--;
            continue;
        }
        size_t room = (size_t)(s->columns - b->x), count = length < room ? length : room;
        grid_part(&b->grid, b->y, b->x, &s->pen);
        grid_part(&b->grid, b->y, b->x + (int)count, &s->pen);
        cell *cells = b->grid.row[b->y].cells + b->x;
        for (size_t i = 0; i < count; i++)
            cells[i] = (cell){.character = ascii[i], .width = 1, .pen = s->pen};
        b->x += (int)count;
        s->last_printed = ascii[count - 1];
        ascii += count;
        length -= count;
    }
}

// --- Buffers ---

void screen_use_alternate(screen *s, bool alternate) {
    bool is_alternate = s->now == &s->alternate;
    if (alternate == is_alternate)
        return;
    buffer *from = s->now, *to = alternate ? &s->alternate : &s->main;
    if (alternate) {
        bh_error err;
        grid_close(&to->grid);
        if (grid_open(&to->grid, s->columns, s->rows, &s->pen, &err) < 0) {
            s->failed = true;
            return;
        }
        to->top = 0;
        to->bottom = s->rows - 1;
    }
    to->x = from->x;
    to->y = from->y;
    s->now = to;
    if (!alternate)
        grid_close(&from->grid); // nothing of it is seen again
}
