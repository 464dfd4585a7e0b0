// What the parts of a screen do for each other: screen.c prints and moves, sequences.c understands, drawing.c draws.
#pragma once

#include "screen/screen.h"

// The cursor is kept inside the screen, or inside the margins while origin mode says so.
void screen_restrict(screen *s);
// Moves the cursor to a place that counts from the margins while origin mode says so.
void screen_go(screen *s, int x, int y);
void screen_print(screen *s, uint32_t character);
// Prints printable ASCII, as `screen_print` would one by one.
void screen_print_text(screen *s, const uint8_t *ascii, size_t length);
void screen_line_feed(screen *s);
void screen_index(screen *s);
void screen_reverse_line_feed(screen *s);
// To the next tab stop, or the one before.
void screen_tab(screen *s, bool back);
void screen_save_cursor(screen *s);
void screen_restore_cursor(screen *s);
void screen_use_alternate(screen *s, bool alternate);
void screen_default_tabs(screen *s);
// RIS: as it was when it was opened, but for its size.
void screen_reset(screen *s);

// What a DEC line-drawing designation makes of printable ASCII.
uint32_t line_drawing(uint32_t character);

// The parser's events.
extern const vt_events SCREEN_EVENTS;
