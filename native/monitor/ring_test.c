// The output ring: what it keeps, and where a viewer that lost output goes on.
#include "monitor/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CAPACITY = 4096 };

static ring r;

static int set_up(void **state) {
    (void)state;
    bh_error err;
    return ring_open(&r, CAPACITY, &err);
}

static int tear_down(void **state) {
    (void)state;
    ring_close(&r);
    return 0;
}

static void print(const char *bytes, size_t length) {
    while (length > 0) {
        size_t room;
        uint8_t *place = ring_room(&r, &room);
        size_t piece = length < room ? length : room;
        memcpy(place, bytes, piece);
        ring_advance(&r, piece);
        bytes += piece;
        length -= piece;
    }
}

static void the_last_bytes_are_kept_across_the_end_of_the_memory(void **state) {
    (void)state;
    static char all[3 * CAPACITY + 1000];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i * 31 >> 3);
    for (size_t at = 0; at < sizeof all; at += 100)
        print(all + at, 100 < sizeof all - at ? 100 : sizeof all - at);
    assert_int_equal(r.head, sizeof all);
    assert_int_equal(ring_tail(&r), sizeof all - CAPACITY);

    for (size_t from = sizeof all - CAPACITY; from < sizeof all; from += 37) {
        struct iovec pieces[2];
        size_t length = sizeof all - from;
        int count = ring_slices(&r, from, length, pieces);
        assert_memory_equal(pieces[0].iov_base, all + from, pieces[0].iov_len);
        if (count == 2)
            assert_memory_equal(pieces[1].iov_base, all + from + pieces[0].iov_len, pieces[1].iov_len);
        assert_int_equal(pieces[0].iov_len + (count == 2 ? pieces[1].iov_len : 0), length);
    }
}

static void nothing_is_skipped_while_nothing_was_lost(void **state) {
    (void)state;
    print("one\ntwo\n", 8);
    assert_int_equal(ring_tail(&r), 0);
    assert_int_equal(ring_first_line(&r), 0);
}

static void a_cut_ring_goes_on_after_the_next_newline(void **state) {
    (void)state;
    static char line[100];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 123; i++)
        print(line, sizeof line);
    assert_int_equal(ring_tail(&r), 12300 - CAPACITY);
    assert_int_equal(ring_first_line(&r), 8300);
}

static void a_newline_is_found_in_the_second_piece_of_the_memory(void **state) {
    (void)state;
    static char text[CAPACITY + 100];
    memset(text, 'x', sizeof text);
    text[CAPACITY + 50] = '\n';
    print(text, sizeof text);
    assert_int_equal(ring_first_line(&r), CAPACITY + 51);
}

static void without_any_newline_everything_kept_is_shown(void **state) {
    (void)state;
    static char text[CAPACITY + 100];
    memset(text, 'x', sizeof text);
    print(text, sizeof text);
    assert_int_equal(ring_first_line(&r), 100);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_last_bytes_are_kept_across_the_end_of_the_memory),
        TEST(nothing_is_skipped_while_nothing_was_lost),
        TEST(a_cut_ring_goes_on_after_the_next_newline),
        TEST(a_newline_is_found_in_the_second_piece_of_the_memory),
        TEST(without_any_newline_everything_kept_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
