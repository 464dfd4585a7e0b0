// A screen: the output that makes another terminal look and behave like it.
#include "screen/operations.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// What is being written, and what the terminal that reads it has by then.
typedef struct drawing {
    byte_queue *out;
    bh_error *err;
    bool failed;
    pen pen;
} drawing;

static void put(drawing *d, const char *format, ...) {
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!d->failed && byte_queue_append(d->out, text, (size_t)length, d->err) < 0)
        d->failed = true;
}

static void put_character(drawing *d, uint32_t c) {
    if (c < 0x80)
        put(d, "%c", (int)c);
    else if (c < 0x800)
        put(d, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)));
    else if (c < 0x10000)
        put(d, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3f)), (int)(0x80 | (c & 0x3f)));
    else
        put(d, "%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 0x3f)), (int)(0x80 | (c >> 6 & 0x3f)),
            (int)(0x80 | (c & 0x3f)));
}

// --- Pens ---

static void put_colour(drawing *d, int base, uint32_t colour) {
    uint32_t value = colour & COLOUR_VALUE;
    if ((colour & COLOUR_KIND) == COLOUR_RGB)
        put(d, ";%d;2;%u;%u;%u", base, value >> 16, value >> 8 & 0xffU, value & 0xffU);
    else if ((colour & COLOUR_KIND) == COLOUR_PALETTE)
        put(d, ";%d;5;%u", base, value);
}

static void put_pen(drawing *d, const pen *wanted) {
    static const uint8_t NUMBERS[] = {1, 2, 3, 4, 5, 7, 8, 9, 53}; // of the styles, in the order of their bits
    if (wanted->foreground == d->pen.foreground && wanted->background == d->pen.background &&
        wanted->style == d->pen.style)
        return;
    put(d, "\033[0");
    for (unsigned i = 0; i < sizeof NUMBERS; i++)
        if (wanted->style & 1U << i)
            put(d, ";%d", NUMBERS[i]);
    put_colour(d, 38, wanted->foreground);
    put_colour(d, 48, wanted->background);
    put(d, "m");
    d->pen = *wanted;
}

// --- Text ---

static void put_cell(drawing *d, const cell *c) {
    put_pen(d, &c->pen);
    put_character(d, c->character ? c->character : ' ');
    if (c->mark)
        put_character(d, c->mark);
}

static bool is_blank(const cell *c) {
    return c->character == 0 && c->pen.background == COLOUR_DEFAULT && c->pen.style == 0;
}

// Cells that nothing was written to are passed over, or erased in their colour: a space would be text to whoever
// copies.
static void put_row(drawing *d, const grid *g, int y) {
    const cell *cells = g->row[y].cells;
    bool in_place = false;
    for (int x = 0; x < g->columns; x++) {
        const cell *c = cells + x;
        if (c->width == 0 || is_blank(c)) {
            in_place = in_place && c->width == 0;
            continue;
        }
        // The first cell of a row that continues the one before is written without going there: it wraps by itself.
        bool wraps = x == 0 && g->row[y].continues && y > 0 && !is_blank(g->row[y - 1].cells + g->columns - 1) &&
                     g->row[y - 1].cells[g->columns - 1].character != 0;
        if (!in_place && !wraps)
            put(d, "\033[%d;%dH", y + 1, x + 1);
        if (c->character == 0) {
            int end = x + 1;
            while (end < g->columns && cells[end].character == 0 && cells[end].width == 1 &&
                   cells[end].pen.background == c->pen.background)
                end++;
            put_pen(d, &(pen){.background = c->pen.background});
            put(d, "\033[%dX", end - x);
            x = end - 1;
            in_place = false;
            continue;
        }
        put_cell(d, c);
        in_place = true;
    }
}

static void put_place(drawing *d, const screen *s, const buffer *b, int x, int y) {
    int row = s->modes.origin ? y - b->top : y;
    if (x < b->grid.columns) {
        put(d, "\033[%d;%dH", row + 1, x + 1);
        return;
    }
    // The cursor hangs behind the last column: only printing there brings it there.
    const cell *cells = b->grid.row[y].cells;
    int last = b->grid.columns - 1;
    if (last > 0 && cells[last].width == 0)
        last--;
    put(d, "\033[%d;%dH", row + 1, last + 1);
    put_cell(d, cells + last);
}

// Text and saved cursor of one buffer. The margins come last, for they send the cursor home.
static void put_buffer(drawing *d, const screen *s, const buffer *b) {
    for (int y = 0; y < b->grid.rows; y++)
        put_row(d, &b->grid, y);
    int saved_x = b->saved.x < b->grid.columns ? b->saved.x : b->grid.columns - 1;
    put(d, "\033[%d;%dH", b->saved.y + 1, saved_x + 1);
    put_pen(d, &b->saved.pen);
    if (b->saved.charset != 'B')
        put(d, "\033(%c", b->saved.charset);
    put(d, "\0337");
    if (b->saved.charset != 'B')
        put(d, "\033(B");
    if (b->top > 0 || b->bottom < s->rows - 1)
        put(d, "\033[%d;%dr", b->top + 1, b->bottom + 1);
}

// --- Modes ---

static void put_mode(drawing *d, bool is_set, const char *number) {
    if (is_set)
        put(d, "\033[%sh", number);
}

static void put_tabs(drawing *d, const screen *s) {
    bool usual = true;
    for (int x = 0; x < s->columns; x++)
        usual = usual && s->tab[x] == (x % 8 == 0);
    if (usual)
        return;
    put(d, "\033[3g");
    for (int x = 0; x < s->columns; x++)
        if (s->tab[x])
            put(d, "\033[1;%dH\033H", x + 1);
}

static void put_modes(drawing *d, const modes *m) {
    put_mode(d, m->application_cursor, "?1");
    put_mode(d, m->focus, "?1004");
    put_mode(d, m->mouse_sgr, "?1006");
    put_mode(d, m->mouse_pixels, "?1016");
    put_mode(d, m->bracketed_paste, "?2004");
    put_mode(d, m->newline, "20");
    if (m->mouse)
        put(d, "\033[?%dh", m->mouse);
    if (m->cursor_hidden)
        put(d, "\033[?25l");
    if (m->application_keypad)
        put(d, "\033=");
    if (m->cursor_style)
        put(d, "\033[%d q", m->cursor_style);
}

// The parser keeps no controls of a title, so nothing in it ends the string early.
static void put_title(drawing *d, const screen *s) {
    if (s->title[0] == '\0')
        return;
    put(d, "\033]2;");
    if (!d->failed && byte_queue_append(d->out, s->title, strlen(s->title), d->err) < 0)
        d->failed = true;
    put(d, "\007");
}

int screen_draw(const screen *s, byte_queue *out, bh_error *err) {
    drawing d = {.out = out, .err = err};
    put_title(&d, s);
    put_tabs(&d, s);
    put_buffer(&d, s, &s->main);
    if (s->now == &s->alternate) {
        put_place(&d, s, &s->main, s->main.x, s->main.y);
        put_pen(&d, &(pen){0});
        put(&d, "\033[?1047h");
        put_buffer(&d, s, &s->alternate);
    }
    put_modes(&d, &s->modes);
    put_mode(&d, s->modes.origin, "?6");
    put_place(&d, s, s->now, s->now->x, s->now->y);
    put_pen(&d, &s->pen);
    // These change what printing does, so nothing is printed after them.
    put_mode(&d, s->modes.insert, "4");
    if (s->modes.no_wrap)
        put(&d, "\033[?7l");
    for (int i = 0; i < SCREEN_CHARSETS; i++)
        if (s->charset[i] != 'B')
            put(&d, "\033%c%c", "()*+"[i], s->charset[i]);
    static const char *const INVOKE[SCREEN_CHARSETS] = {"", "\016", "\033n", "\033o"};
    put(&d, "%s", INVOKE[s->invoked]);
    return d.failed ? -1 : 0;
}
