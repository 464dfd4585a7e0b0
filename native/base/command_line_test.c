// A guest reads from its kernel's command line who it is and what it runs on: no word may be taken for another.
#include "base/command_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void finds_the_value_of_a_word(void **state) {
    (void)state;
    char value[16];
    assert_true(command_line_find("quiet bulkhead.hostname=vm panic=-1\n", "bulkhead.hostname", value, sizeof value));
    assert_string_equal(value, "vm");
    assert_true(command_line_find("bulkhead.hostname=vm\n", "bulkhead.hostname", value, sizeof value));
    assert_string_equal(value, "vm");
}

static void finds_a_word_without_a_value(void **state) {
    (void)state;
    char value[16] = "before";
    assert_true(command_line_find("quiet bulkhead.emulated\n", "bulkhead.emulated", value, sizeof value));
    assert_string_equal(value, "");
}

static void takes_no_word_for_another(void **state) {
    (void)state;
    char value[16];
    assert_false(command_line_find("bulkhead.emulated2 x=bulkhead.emulated", "bulkhead.emulated", value, sizeof value));
    assert_false(command_line_find("", "bulkhead.emulated", value, sizeof value));
    assert_false(command_line_find("  \n", "bulkhead.emulated", value, sizeof value));
}

static void cuts_what_does_not_fit(void **state) {
    (void)state;
    char value[4];
    assert_true(command_line_find("a=abcdef b", "a", value, sizeof value));
    assert_string_equal(value, "abc");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_value_of_a_word),
        cmocka_unit_test(finds_a_word_without_a_value),
        cmocka_unit_test(takes_no_word_for_another),
        cmocka_unit_test(cuts_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
