// The command line: kept for us, blank for others.
#include "runtime/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_copy_stays_and_what_others_see_is_blank(void **state) {
    (void)state;
    // As execve lays them out: one behind the other.
    char area[] = "bulkhead\0--root\0/secret";
    char *argv[] = {area, area + 9, area + 16, NULL};
    bh_error err;
    char **copy = arguments_copy(3, argv, &err);
    assert_non_null(copy);
    assert_ptr_not_equal(copy[2], argv[2]);
    arguments_hide();
    for (size_t i = 0; i < sizeof area; i++)
        assert_int_equal(area[i], 0);
    assert_string_equal(copy[0], "bulkhead");
    assert_string_equal(copy[2], "/secret");
    assert_null(copy[3]);
    arguments_free(&copy);
    assert_null(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_copy_stays_and_what_others_see_is_blank)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
