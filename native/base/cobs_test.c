// COBS: the golden vectors, every length around the edges of a run, garbage.
#include "base/cobs.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint8_t *from_hex(json_t *object, const char *key, size_t *length) {
    const char *hex = json_string_value(json_object_get(object, key));
    assert_non_null(hex);
    *length = strlen(hex) / 2;
    uint8_t *bytes = malloc(*length > 0 ? *length : 1);
    for (size_t i = 0; i < *length; i++) {
        unsigned value = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        bytes[i] = (uint8_t)value;
    }
    return bytes;
}

static void every_golden_pair_holds_both_ways(void **state) {
    (void)state;
    json_error_t problem;
    cleanup_json json_t *vectors = json_load_file("../tests/vectors/cobs.json", 0, &problem);
    if (!vectors)
        fail_msg("cobs.json: %s (run from native/)", problem.text);
    size_t index;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "valid"), index, vector) {
        size_t plain_length = 0, encoded_length = 0;
        cleanup_free uint8_t *plain = from_hex(vector, "plain", &plain_length);
        cleanup_free uint8_t *encoded = from_hex(vector, "encoded", &encoded_length);
        cleanup_free uint8_t *out = malloc(COBS_MAX(plain_length));
        assert_int_equal(cobs_encode(plain, plain_length, out), encoded_length);
        assert_memory_equal(out, encoded, encoded_length);
        assert_int_equal(cobs_decode(encoded, encoded_length, encoded), plain_length); // in place
        assert_memory_equal(encoded, plain, plain_length);
    }
    assert_true(index > 10);
    json_array_foreach(json_object_get(vectors, "invalid"), index, vector) {
        size_t length = 0;
        cleanup_free uint8_t *encoded = from_hex(vector, "encoded", &length);
        assert_int_equal(cobs_decode(encoded, length, encoded), -1);
    }
}

static void any_bytes_come_back_and_hold_no_zero_on_the_way(void **state) {
    (void)state;
    unsigned seed = 4;
    for (size_t length = 0; length < 1100; length++) {
        for (int zeros = 0; zeros < 4; zeros++) { // none, few, half, nearly all
            cleanup_free uint8_t *plain = malloc(length + 1);
            for (size_t i = 0; i < length; i++)
                plain[i] =
                    (uint8_t)(rand_r(&seed) % 300 < (int[]){0, 2, 150, 290}[zeros] ? 0 : 1 + rand_r(&seed) % 255);
            cleanup_free uint8_t *encoded = malloc(COBS_MAX(length));
            size_t encoded_length = cobs_encode(plain, length, encoded);
            assert_true(encoded_length <= COBS_MAX(length));
            assert_null(memchr(encoded, 0, encoded_length));
            cleanup_free uint8_t *back = malloc(encoded_length);
            assert_int_equal(cobs_decode(encoded, encoded_length, back), length);
            assert_memory_equal(back, plain, length);
        }
    }
}

static void garbage_never_hurts(void **state) {
    (void)state;
    unsigned seed = 9;
    for (int round = 0; round < 50000; round++) {
        size_t length = (size_t)(rand_r(&seed) % 300);
        cleanup_free uint8_t *bytes = malloc(length + 1);
        cleanup_free uint8_t *out = malloc(length + 1);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)(rand_r(&seed) % 4 ? rand_r(&seed) % 16 : rand_r(&seed));
        assert_true(cobs_decode(bytes, length, out) < (ssize_t)(length + 1));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_pair_holds_both_ways),
        cmocka_unit_test(any_bytes_come_back_and_hold_no_zero_on_the_way),
        cmocka_unit_test(garbage_never_hurts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
