// The screen where the ring begins: nothing is done before output falls out, sizes count from where they were in force,
// and a viewer never begins inside a sequence.
#include "monitor/past.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { CAPACITY = 4096 };

static bh_error err;
static ring r;
static past p;

static int set_up(void **state) {
    (void)state;
    p = (past){0};
    past_note_size(&p, 0, (frame_size){20, 5});
    return ring_open(&r, CAPACITY, &err);
}

static int tear_down(void **state) {
    (void)state;
    ring_close(&r);
    past_close(&p);
    return 0;
}

// As a terminal does: what is about to be overwritten is taken in first.
static void print(const char *text) {
    for (size_t left = strlen(text), room; left > 0; left--) {
        if (r.head >= CAPACITY)
            past_take(&p, &r, r.head + 1 - CAPACITY);
        *ring_room(&r, &room) = (uint8_t)*text++;
        ring_advance(&r, 1);
    }
}

static void fill(void) {
    for (int i = 0; i < CAPACITY / 8; i++)
        print("12345\r\n\a");
}

static void expect_drawn(const char *wanted) {
    byte_queue drawing = {0};
    assert_int_equal(past_draw(&p, &drawing, &err), 0);
    assert_int_equal(byte_queue_append(&drawing, "", 1, &err), 0);
    assert_string_equal(byte_queue_front(&drawing), wanted);
    byte_queue_clear(&drawing);
}

static void nothing_is_done_while_everything_is_there(void **state) {
    (void)state;
    print("hello\r\n");
    assert_int_equal(past_rest(&p, &r), 0);
    assert_false(p.open);
    expect_drawn("");
}

static void what_fell_out_is_drawn(void **state) {
    (void)state;
    print("\033]2;t\007\033[1mbold\033[0m\033[3;2H");
    fill();
    uint64_t start = past_rest(&p, &r);
    assert_true(start >= ring_tail(&r));
    expect_drawn("\033]2;t\007\033[1;1H\033[0;1mbold\033[1;1H\033[0m\0337\033[3;2H");
}

static void nobody_begins_inside_a_sequence(void **state) {
    (void)state;
    print("abc\033[38;5;196mred");
    fill(); // 19 bytes have fallen out; two more, and the sequence is cut
    for (int i = 0; i < 6; i++) {
        print("x");
        uint64_t start = past_rest(&p, &r);
        assert_true(vt_at_rest(&p.screen.parser));
        assert_true(start >= ring_tail(&r));
    }
}

static void a_size_counts_from_where_it_was_in_force(void **state) {
    (void)state;
    print("0123456789abcdefghij");
    past_note_size(&p, r.head, (frame_size){10, 5});
    print("\r\nnarrow text wraps");
    fill();
    past_take(&p, &r, 20 + 19);
    assert_int_equal(p.screen.columns, 10);
    assert_memory_equal(&p.screen.now->grid.row[2].cells[0].character, &(uint32_t){'t'}, 4);
}

static void many_sizes_are_told_apart_as_long_as_there_is_room(void **state) {
    (void)state;
    for (uint16_t i = 1; i <= 1000; i++)
        past_note_size(&p, i, (frame_size){(uint16_t)(20 + i % 30), 5});
    assert_int_equal(p.size_count, PAST_SIZES);
    assert_int_equal(p.sizes[0].since, 0);
    assert_int_equal(p.sizes[PAST_SIZES - 1].since, 1000);
}

static void a_screen_too_large_is_not_kept(void **state) {
    (void)state;
    past_note_size(&p, 1, (frame_size){1000, 1000});
    fill();
    print("one\r\ntwo");
    past_rest(&p, &r);
    assert_true(p.lost || p.screen.failed);
    expect_drawn("");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_done_while_everything_is_there),
        TEST(what_fell_out_is_drawn),
        TEST(nobody_begins_inside_a_sequence),
        TEST(a_size_counts_from_where_it_was_in_force),
        TEST(many_sizes_are_told_apart_as_long_as_there_is_room),
        TEST(a_screen_too_large_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
