// The error contract: what callers of anything in native/ rely on.
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_failure_says_what_and_why_and_returns_minus_one(void **state) {
    (void)state;
    bh_error err = {0};
    assert_int_equal(bh_fail(&err, ENOENT, "cannot open %s", "/etc/x"), -1);
    assert_int_equal(err.code, ENOENT);
    assert_string_equal(err.message, "cannot open /etc/x: No such file or directory");
    // 0: no system call was at fault, so nothing is added.
    assert_int_equal(bh_fail(&err, 0, "process.cwd is missing"), -1);
    assert_int_equal(err.code, 0);
    assert_string_equal(err.message, "process.cwd is missing");
}

static void wrapping_puts_the_context_in_front_and_keeps_the_code(void **state) {
    (void)state;
    bh_error err = {0};
    bh_fail(&err, EPERM, "cannot mount");
    assert_int_equal(bh_wrap(&err, "mounts[%d]", 3), -1);
    assert_string_equal(err.message, "mounts[3]: cannot mount: Operation not permitted");
    assert_int_equal(err.code, EPERM);
}

static void what_is_too_long_loses_its_end_and_nothing_else(void **state) {
    (void)state;
    bh_error err = {0};
    char text[600];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(bh_fail(&err, EIO, "%s", text), -1);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(bh_wrap(&err, "more"), -1);
    assert_memory_equal(err.message, "more: xxx", 9);
    assert_true(strlen(err.message) < sizeof err.message);
    // Context that fills it all leaves no room, and harms nothing.
    assert_int_equal(bh_wrap(&err, "%s", text), -1);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_says_what_and_why_and_returns_minus_one),
        cmocka_unit_test(wrapping_puts_the_context_in_front_and_keeps_the_code),
        cmocka_unit_test(what_is_too_long_loses_its_end_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
