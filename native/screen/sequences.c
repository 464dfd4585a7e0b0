// A screen: what controls and sequences do to it. Numbers are those of ECMA-48 and of xterm's ctlseqs.
#include "screen/operations.h"

#include <string.h>

// --- Controls and escapes ---

static void understand_control(screen *s, uint8_t c0) {
    switch (c0) {
    case '\b':
        screen_restrict(s);
        if (s->now->x > 0)
            s->now->x--;
        return;
    case '\t':
        screen_tab(s, false);
        return;
    case '\n':
    case '\v':
    case '\f':
        screen_line_feed(s);
        return;
    case '\r':
        s->now->x = 0;
        return;
    case 0x0e:
    case 0x0f:
        s->invoked = c0 == 0x0e;
        return;
    default:
        return;
    }
}

// The alignment pattern of DECALN.
static void fill_with_e(screen *s) {
    for (int y = 0; y < s->rows; y++) {
        s->now->grid.row[y].continues = false;
        for (int x = 0; x < s->columns; x++)
            s->now->grid.row[y].cells[x] = (cell){.character = 'E', .width = 1, .pen = s->pen};
    }
    screen_go(s, 0, 0);
}

static void understand_escape(screen *s, const vt_sequence *e) {
    const char *designates = e->intermediate ? strchr("()*+", e->intermediate) : NULL;
    if (designates) {
        s->charset[designates - (const char *)"()*+"] = e->final;
        return;
    }
    if (e->intermediate == '#' && e->final == '8')
        fill_with_e(s);
    if (e->intermediate)
        return;
    switch (e->final) {
    case '7':
        screen_save_cursor(s);
        return;
    case '8':
        screen_restore_cursor(s);
        return;
    case '=':
    case '>':
        s->modes.application_keypad = e->final == '=';
        return;
    case 'D':
        screen_index(s);
        return;
    case 'E':
        s->now->x = 0;
        screen_index(s);
        return;
    case 'H':
        if (s->now->x < s->columns)
            s->tab[s->now->x] = 1;
        return;
    case 'M':
        screen_reverse_line_feed(s);
        return;
    case 'c':
        screen_reset(s);
        return;
    case 'n':
    case 'o':
        s->invoked = e->final == 'n' ? 2 : 3;
        return;
    default:
        return;
    }
}

// --- Pens ---

// Reads the colour after 38 or 48 at `i`, as 5;n, 2;r;g;b, 5:n, 2:r:g:b or 2:space:r:g:b. Returns the parameters it
// took.
static int read_colour(const vt_sequence *e, int i, uint32_t *colour) {
    int subs = 0;
    while (i + 1 + subs < e->count && e->sub[i + 1 + subs])
        subs++;
    const uint16_t *value = e->value + i + 1;
    int left = subs > 0 ? subs : e->count - i - 1;
    if (left >= 2 && value[0] == 5) {
        *colour = COLOUR_PALETTE | (value[1] & 0xffU);
        return subs > 0 ? subs : 2;
    }
    if (left >= 4 && value[0] == 2) {
        const uint16_t *rgb = value + (subs >= 5 ? 2 : 1);
        *colour = COLOUR_RGB | (rgb[0] & 0xffU) << 16 | (rgb[1] & 0xffU) << 8 | (rgb[2] & 0xffU);
        return subs > 0 ? subs : 4;
    }
    return subs > 0 ? subs : left;
}

static void set_style(pen *p, uint16_t style, bool on) {
    p->style = (uint16_t)(on ? p->style | style : p->style & ~style);
}

// Styles by the number that puts them on, and the number that takes them off.
static const struct {
    uint8_t on, off;
    uint16_t style;
} STYLES[] = {
    {1, 22, STYLE_BOLD},   {2, 22, STYLE_DIM},        {3, 23, STYLE_ITALIC},    {4, 24, STYLE_UNDERLINE},
    {5, 25, STYLE_BLINK},  {6, 25, STYLE_BLINK},      {7, 27, STYLE_INVERSE},   {8, 28, STYLE_INVISIBLE},
    {9, 29, STYLE_STRIKE}, {21, 24, STYLE_UNDERLINE}, {53, 55, STYLE_OVERLINE},
};

static void select_graphics(screen *s, const vt_sequence *e) {
    pen *p = &s->pen;
    if (e->count == 0)
        *p = (pen){0};
    for (int i = 0; i < e->count; i++) {
        uint16_t n = e->value[i];
        if (e->sub[i])
            continue;
        if (n == 0)
            *p = (pen){0};
        else if (n >= 30 && n <= 37)
            p->foreground = COLOUR_PALETTE | (n - 30U);
        else if (n >= 40 && n <= 47)
            p->background = COLOUR_PALETTE | (n - 40U);
        else if (n >= 90 && n <= 97)
            p->foreground = COLOUR_PALETTE | (n - 90U + 8);
        else if (n >= 100 && n <= 107)
            p->background = COLOUR_PALETTE | (n - 100U + 8);
        else if (n == 39)
            p->foreground = COLOUR_DEFAULT;
        else if (n == 49)
            p->background = COLOUR_DEFAULT;
        else if (n == 38)
            i += read_colour(e, i, &p->foreground);
        else if (n == 48)
            i += read_colour(e, i, &p->background);
        else if (n == 58)
            i += read_colour(e, i, &(uint32_t){0}); // the colour of an underline is not kept
        bool none = n == 4 && i + 1 < e->count && e->sub[i + 1] && e->value[i + 1] == 0; // 4:0
        for (size_t k = 0; k < sizeof STYLES / sizeof STYLES[0]; k++)
            if (n == STYLES[k].on || n == STYLES[k].off)
                set_style(p, STYLES[k].style, n == STYLES[k].on && !none);
    }
}

// --- Modes ---

static void set_private_mode(screen *s, uint16_t mode, bool on) {
    modes *m = &s->modes;
    switch (mode) {
    case 1:
        m->application_cursor = on;
        return;
    case 6:
        m->origin = on;
        screen_go(s, 0, 0);
        return;
    case 7:
        m->no_wrap = !on;
        return;
    case 25:
        m->cursor_hidden = !on;
        return;
    case 66:
        m->application_keypad = on;
        return;
    case 9:
    case 1000:
    case 1002:
    case 1003:
        m->mouse = on ? mode : 0;
        return;
    case 1004:
        m->focus = on;
        return;
    case 1006:
        m->mouse_sgr = on;
        m->mouse_pixels = false;
        return;
    case 1016:
        m->mouse_pixels = on;
        m->mouse_sgr = false;
        return;
    case 1048:
        (on ? screen_save_cursor : screen_restore_cursor)(s);
        return;
    case 1049:
        if (on)
            screen_save_cursor(s);
        screen_use_alternate(s, on);
        if (!on)
            screen_restore_cursor(s);
        return;
    case 47:
    case 1047:
        screen_use_alternate(s, on);
        return;
    case 2004:
        m->bracketed_paste = on;
        return;
    default:
        return;
    }
}

static void set_modes(screen *s, const vt_sequence *e, bool on) {
    for (int i = 0; i < e->count; i++) {
        if (e->prefix == '?')
            set_private_mode(s, e->value[i], on);
        else if (e->value[i] == 4)
            s->modes.insert = on;
        else if (e->value[i] == 20)
            s->modes.newline = on;
    }
}

// DECSTR: modes but for those of the mouse, margins, pen, what was saved, designations.
static void soft_reset(screen *s) {
    const modes before = s->modes;
    s->modes = (modes){.mouse = before.mouse,
                       .mouse_sgr = before.mouse_sgr,
                       .mouse_pixels = before.mouse_pixels,
                       .newline = before.newline};
    s->now->top = 0;
    s->now->bottom = s->rows - 1;
    s->pen = (pen){0};
    s->now->saved = (saved_cursor){.charset = 'B'};
    memset(s->charset, 'B', sizeof s->charset);
    s->invoked = 0;
}

// --- Erasing and moving text ---

static void erase_row(screen *s, int y, int from, int to) {
    grid_erase(&s->now->grid, y, from, to, &s->pen);
    if (from == 0)
        s->now->grid.row[y].continues = false;
}

static void erase_display(screen *s, uint16_t what) {
    buffer *b = s->now;
    int x = b->x < s->columns ? b->x : s->columns;
    if (what > 2)
        return;
    if (what == 0)
        erase_row(s, b->y, x, s->columns);
    if (what == 1) {
        grid_erase(&b->grid, b->y, 0, x + 1 < s->columns ? x + 1 : s->columns, &s->pen);
        b->grid.row[b->y].continues = false;
        if (x + 1 >= s->columns && b->y + 1 < s->rows)
            b->grid.row[b->y + 1].continues = false; // what it continued is gone
    }
    int from = what == 0 ? b->y + 1 : 0, to = what == 1 ? b->y : s->rows;
    for (int y = from; y < to; y++)
        erase_row(s, y, 0, s->columns);
}

static void erase_line(screen *s, uint16_t what) {
    buffer *b = s->now;
    int x = b->x < s->columns ? b->x : s->columns;
    if (what == 0)
        erase_row(s, b->y, x, s->columns);
    else if (what == 1)
        grid_erase(&b->grid, b->y, 0, x + 1 < s->columns ? x + 1 : s->columns, &s->pen);
    else if (what == 2)
        erase_row(s, b->y, 0, s->columns);
}

static void insert_lines(screen *s, int count) {
    buffer *b = s->now;
    screen_restrict(s);
    if (b->y < b->top || b->y > b->bottom)
        return;
    grid_scroll(&b->grid, b->y, b->bottom, -count, &s->pen);
    b->x = 0;
}

// --- Control sequences ---

static void move(screen *s, int columns, int rows) {
    buffer *b = s->now;
    screen_restrict(s);
    // Up and down stop at a margin that they begin inside of.
    int least = b->y >= b->top ? b->top : 0, most = b->y <= b->bottom ? b->bottom : s->rows - 1;
    int y = b->y + rows;
    b->y = rows == 0 ? b->y : y < least ? least : y > most ? most : y;
    b->x += columns;
    screen_restrict(s);
}

static void set_margins(screen *s, const vt_sequence *e) {
    int top = e->value[0] > 0 ? e->value[0] : 1;
    int bottom = e->count < 2 || e->value[1] == 0 || e->value[1] > s->rows ? s->rows : e->value[1];
    if (bottom <= top)
        return;
    s->now->top = top - 1;
    s->now->bottom = bottom - 1;
    screen_go(s, 0, 0);
}

static void clear_tabs(screen *s, uint16_t what) {
    if (what == 0 && s->now->x < s->columns)
        s->tab[s->now->x] = 0;
    else if (what == 3)
        memset(s->tab, 0, (size_t)s->columns);
}

// Sequences that edit text. True when it was one.
static bool edit(screen *s, const vt_sequence *e, int n) {
    buffer *b = s->now;
    int x = b->x < s->columns ? b->x : s->columns - 1;
    switch (e->final) {
    case '@':
        screen_restrict(s);
        grid_shift(&b->grid, b->y, x, n, &s->pen);
        return true;
    case 'P':
        screen_restrict(s);
        grid_shift(&b->grid, b->y, x, -n, &s->pen);
        return true;
    case 'X':
        screen_restrict(s);
        grid_erase(&b->grid, b->y, x, n < s->columns - x ? x + n : s->columns, &s->pen);
        return true;
    case 'J':
        erase_display(s, e->value[0]);
        return true;
    case 'K':
        erase_line(s, e->value[0]);
        return true;
    case 'L':
    case 'M':
        insert_lines(s, e->final == 'L' ? n : -n);
        return true;
    case 'S':
        grid_scroll(&b->grid, b->top, b->bottom, n, &s->pen);
        return true;
    case 'T': // without the pen's background, as xterm.js does it
        grid_scroll(&b->grid, b->top, b->bottom, -n, &(pen){0});
        return true;
    case 'b':
        for (int i = 0; i < n && s->last_printed; i++)
            screen_print(s, s->last_printed);
        return true;
    default:
        return false;
    }
}

// Sequences that move the cursor. True when it was one.
static bool travel(screen *s, const vt_sequence *e, int n) {
    const int second = e->count > 1 && e->value[1] > 0 ? e->value[1] : 1;
    const int row = s->modes.origin ? s->now->y - s->now->top : s->now->y;
    switch (e->final) {
    case 'A':
        move(s, 0, -n);
        return true;
    case 'B':
        move(s, 0, n);
        return true;
    case 'e': // stops at no margin
        screen_restrict(s);
        s->now->y += n;
        screen_restrict(s);
        return true;
    case 'C':
    case 'a':
        move(s, n, 0);
        return true;
    case 'D':
        move(s, -n, 0);
        return true;
    case 'E':
    case 'F':
        move(s, 0, e->final == 'E' ? n : -n);
        s->now->x = 0;
        return true;
    case 'G':
    case '`':
        screen_go(s, n - 1, row);
        return true;
    case 'd':
        screen_go(s, s->now->x, n - 1);
        return true;
    case 'H':
    case 'f':
        screen_go(s, second - 1, n - 1);
        return true;
    case 'I':
    case 'Z':
        for (int i = 0; i < n && i < s->columns; i++)
            screen_tab(s, e->final == 'Z');
        return true;
    default:
        return false;
    }
}

static void understand(screen *s, const vt_sequence *e) {
    const int n = e->value[0] > 0 ? e->value[0] : 1;
    if (e->intermediate == ' ' && e->final == 'q' && e->value[0] <= 6)
        s->modes.cursor_style = (uint8_t)e->value[0];
    if (e->intermediate == '!' && e->final == 'p')
        soft_reset(s);
    if (e->intermediate)
        return;
    if (e->prefix == '?' && (e->final == 'J' || e->final == 'K')) {
        edit(s, e, n); // selective erasure: nothing is protected here
        return;
    }
    if (e->final == 'h' || e->final == 'l') {
        set_modes(s, e, e->final == 'h');
        return;
    }
    if (e->prefix || edit(s, e, n) || travel(s, e, n))
        return;
    switch (e->final) {
    case 'g':
        clear_tabs(s, e->value[0]);
        return;
    case 'm':
        select_graphics(s, e);
        return;
    case 'r':
        set_margins(s, e);
        return;
    case 's':
        screen_save_cursor(s);
        return;
    case 'u':
        screen_restore_cursor(s);
        return;
    default:
        return;
    }
}

static void print(void *context, uint32_t character) {
    screen_print(context, character);
}

static void text(void *context, const uint8_t *ascii, size_t length) {
    screen_print_text(context, ascii, length);
}

// What follows anything but a character repeats nothing, and no mark stands on what was printed before it.
static void csi(void *context, const vt_sequence *e) {
    screen *s = context;
    understand(s, e);
    s->last_printed = 0;
}

static void escape(void *context, const vt_sequence *e) {
    screen *s = context;
    understand_escape(s, e);
    s->last_printed = 0;
}

static void control(void *context, uint8_t c0) {
    screen *s = context;
    understand_control(s, c0);
    s->last_printed = 0;
}

static void osc(void *context, const char *text, size_t length) {
    screen *s = context;
    if (length >= 2 && (text[0] == '0' || text[0] == '2') && text[1] == ';')
        memcpy(s->title, text + 2, length - 1); // with its end
}

const vt_events SCREEN_EVENTS = {print, text, control, escape, csi, osc};

// The special graphics of a VT100, from _ on (vt100.net/docs/vt220-rm/table2-4.html).
uint32_t line_drawing(uint32_t character) {
    static const uint16_t DRAWN[] = {
        0x00a0, 0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0, 0x00b1, 0x2424, 0x240b,
        0x2518, 0x2510, 0x250c, 0x2514, 0x253c, 0x23ba, 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c,
        0x2524, 0x2534, 0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7,
    };
    return character >= '_' && character <= '~' ? DRAWN[character - '_'] : character;
}
