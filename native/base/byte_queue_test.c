// The byte queue: order, and memory given back.
#include "base/byte_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void bytes_come_out_in_the_order_they_went_in(void **state) {
    (void)state;
    byte_queue queue = {0};
    bh_error err;
    unsigned seed = 1;
    uint8_t in = 0, out = 0;
    for (int round = 0; round < 5000; round++) {
        uint8_t piece[300];
        size_t length = (size_t)rand_r(&seed) % sizeof piece;
        for (size_t i = 0; i < length; i++)
            piece[i] = in++;
        assert_int_equal(byte_queue_append(&queue, piece, length, &err), 0);
        size_t taken = (size_t)rand_r(&seed) % (queue.length + 1);
        for (size_t i = 0; i < taken; i++)
            assert_int_equal(byte_queue_front(&queue)[i], out++);
        byte_queue_consume(&queue, taken);
    }
    assert_int_equal(queue.length, (uint8_t)(in - out) + queue.length / 256 * 256);
    byte_queue_clear(&queue);
}

static void an_empty_queue_that_was_large_keeps_no_memory(void **state) {
    (void)state;
    byte_queue queue = {0};
    bh_error err;
    static uint8_t large[100000];
    assert_int_equal(byte_queue_append(&queue, large, sizeof large, &err), 0);
    byte_queue_consume(&queue, sizeof large - 1);
    assert_true(queue.capacity >= sizeof large);
    byte_queue_consume(&queue, 1);
    assert_int_equal(queue.capacity, 0);
    assert_non_null(byte_queue_front(&queue));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_in_the_order_they_went_in),
        cmocka_unit_test(an_empty_queue_that_was_large_keeps_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
