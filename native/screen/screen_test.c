// A screen: what sequences do to it, and that it can be drawn again. What xterm.js makes of the same bytes is compared
// in tests/integration/screen.test.ts.
#include "screen/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bh_error err;
static screen s;

static int set_up(void **state) {
    (void)state;
    return screen_open(&s, (frame_size){10, 4}, &err);
}

static int tear_down(void **state) {
    (void)state;
    screen_close(&s);
    return 0;
}

static void feed(const char *text) {
    screen_feed(&s, (const uint8_t *)text, strlen(text));
}

// A screen as text: rows joined by |, blanks at their ends left out, the cursor behind it.
static const char *shown(const screen *of) {
    static char text[1000];
    size_t at = 0;
    for (int y = 0; y < of->rows; y++) {
        size_t end = at;
        for (int x = 0; x < of->columns; x++) {
            uint32_t c = of->now->grid.row[y].cells[x].character;
            text[at++] = c == 0 ? ' ' : c < 0x7f ? (char)c : '#';
            if (c != 0)
                end = at;
        }
        at = end;
        text[at++] = '|';
    }
    snprintf(text + at, sizeof text - at, " %d,%d", of->now->x, of->now->y);
    return text;
}

static void expect_shown(const char *text) {
    assert_string_equal(shown(&s), text);
}

static void text_wraps_and_scrolls(void **state) {
    (void)state;
    feed("0123456789");
    expect_shown("0123456789|||| 10,0"); // the wrap waits for the next character
    feed("a\r\nb\r\nc\r\nd");
    expect_shown("a|b|c|d| 1,3");
}

static void the_cursor_goes_where_it_is_sent(void **state) {
    (void)state;
    feed("\033[2;3Hx\033[Ay\033[10Dz\033[99;99Hw\033[;Hv");
    expect_shown("v  y|  x||         w| 1,0");
}

static void lines_outside_the_margins_stay(void **state) {
    (void)state;
    feed("1\r\n2\r\n3\r\n4\033[2;3r\033[3;1H\na\033[r");
    expect_shown("1|3|a|4| 0,0");
}

static void the_other_buffer_leaves_the_first_as_it_was(void **state) {
    (void)state;
    feed("shell$ \033[?1049hEDITOR");
    expect_shown("       EDI|TOR||| 3,1"); // it begins where the cursor was, as in xterm
    feed("\033[?1049l");
    expect_shown("shell$ |||| 7,0");
}

static void what_is_no_text_prints_nothing(void **state) {
    (void)state;
    feed("a\033]0;title\033\\b\033P1$r0m\033\\c\033_x\007\033\\d\xff\xc0\x80"
         "e\033[?25;999;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1lf\033[1!2mg");
    expect_shown("abcdefg|||| 7,0");
    assert_string_equal(s.title, "title");
}

static void a_wide_character_is_whole_or_gone(void **state) {
    (void)state;
    feed("\xe6\xbc\xa2\xe5\xad\x97\033[1;2Hx");
    expect_shown(" x#|||| 2,0");
    feed("\033[1;10H\xe6\xbc\xa2"); // does not fit in the last column
    expect_shown(" x#|#||| 2,1");
}

static void a_smaller_screen_keeps_the_cursor_in_sight(void **state) {
    (void)state;
    feed("1\r\n2\r\n3\r\n4");
    screen_resize(&s, (frame_size){5, 2});
    expect_shown("3|4| 1,1");
    screen_resize(&s, (frame_size){12, 3});
    expect_shown("3|4|| 1,1");
}

// --- Drawing it again ---

static void expect_same_when_drawn(const char *text) {
    byte_queue drawing = {0};
    screen again;
    screen_close(&s);
    assert_int_equal(screen_open(&s, (frame_size){10, 4}, &err), 0);
    feed(text);
    assert_int_equal(screen_draw(&s, &drawing, &err), 0);
    assert_int_equal(screen_open(&again, (frame_size){10, 4}, &err), 0);
    screen_feed(&again, byte_queue_front(&drawing), drawing.length);
    char first[1000];
    snprintf(first, sizeof first, "%s", shown(&s));
    assert_string_equal(shown(&again), first);
    assert_memory_equal(&again.modes, &s.modes, sizeof s.modes);
    assert_memory_equal(&again.pen, &s.pen, sizeof s.pen);
    assert_memory_equal(again.charset, s.charset, sizeof s.charset);
    assert_memory_equal(again.tab, s.tab, 10);
    assert_int_equal(again.now->top, s.now->top);
    assert_int_equal(again.now->bottom, s.now->bottom);
    assert_int_equal(again.now->saved.x, s.now->saved.x);
    assert_int_equal(again.now->saved.y, s.now->saved.y);
    assert_int_equal(again.invoked, s.invoked);
    assert_int_equal(again.now == &again.alternate, s.now == &s.alternate);
    assert_string_equal(again.title, s.title);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 10; x++) {
            const cell *a = again.now->grid.row[y].cells + x, *b = s.now->grid.row[y].cells + x;
            assert_int_equal(a->pen.background, b->pen.background);
            if (b->character != 0)
                assert_memory_equal(&a->pen, &b->pen, sizeof a->pen);
        }
    byte_queue_clear(&drawing);
    screen_close(&again);
}

static void every_screen_can_be_drawn_again(void **state) {
    (void)state;
    expect_same_when_drawn("");
    expect_same_when_drawn("0123456789");
    expect_same_when_drawn("0123456789abc\r\n\r\nx\033[1;31;48;5;17mred\033[0;38;2;1;2;3m\033[44m\033[K");
    expect_same_when_drawn("\033[2;3r\033[3;4H\0337\033[4;9H\033[?6h\033[2;2H\033[7m");
    expect_same_when_drawn(
        "main\033[?1049h\033[2J\033[44mvi\033[4;1H\033[?1h\033=\033[?2004h\033[?1002;1006h\033[?25l");
    expect_same_when_drawn("\033[3g\033[1;5H\033H\033(0qx\033)0\016\033[4h\033[?7l\033]2;a title\007\033[3 q\033[20h");
    expect_same_when_drawn("\xe6\xbc\xa2\xe5\xad\x97 e\xcc\x81 \xf0\x9f\x98\x80");
}

static void a_size_beyond_reason_is_refused_or_ends_it(void **state) {
    (void)state;
    screen other;
    assert_int_equal(screen_open(&other, (frame_size){1000, 1000}, &err), -1);
    screen_resize(&s, (frame_size){65535, 65535});
    assert_true(s.failed);
    feed("nothing breaks\033[2J");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(text_wraps_and_scrolls),
        TEST(the_cursor_goes_where_it_is_sent),
        TEST(lines_outside_the_margins_stay),
        TEST(the_other_buffer_leaves_the_first_as_it_was),
        TEST(what_is_no_text_prints_nothing),
        TEST(a_wide_character_is_whole_or_gone),
        TEST(a_smaller_screen_keeps_the_cursor_in_sight),
        TEST(every_screen_can_be_drawn_again),
        TEST(a_size_beyond_reason_is_refused_or_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
