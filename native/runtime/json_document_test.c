// Numbers beyond what jansson's integers hold.
#include "runtime/json_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// What becomes of `text`, written back; "" for none.
static void becomes(const char *text, const char *wanted) {
    bh_error err = {0};
    json_t *document = json_read_text(text, strlen(text), &err);
    char *written = document ? json_dumps(document, JSON_COMPACT) : NULL;
    assert_string_equal(written ? written : "", wanted);
    assert_int_equal(document == NULL, err.message[0] != '\0');
    free(written);
    json_decref(document);
}

static void unsigned_numbers_keep_their_bits(void **state) {
    (void)state;
    becomes("[18446744073709551615]", "[-1]");
    becomes("[18446744073709551615,18446744073709551614 ,1]", "[-1,-2,1]");
    becomes("[9223372036854775807]", "[9223372036854775807]");
    becomes("[13835058055282163712]", "[-4611686018427387904]");
}

static void what_no_64_bits_hold_is_refused(void **state) {
    (void)state;
    becomes("[18446744073709551616]", "");
    becomes("[99999999999999999999999]", "");
    becomes("[-18446744073709551615]", "");
    becomes("[00018446744073709551615]", "");
}

static void text_and_fractions_are_left_alone(void **state) {
    (void)state;
    becomes("[\"18446744073709551615\",\"\\\"18446744073709551615\"]",
            "[\"18446744073709551615\",\"\\\"18446744073709551615\"]");
    becomes("[1.5,-7]", "[1.5,-7]");
    becomes("", "");
    becomes("\"", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_numbers_keep_their_bits),
        cmocka_unit_test(what_no_64_bits_hold_is_refused),
        cmocka_unit_test(text_and_fractions_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
