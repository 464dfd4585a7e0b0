// What is picked out of CRIU's log, and what is said of it.
#include "runtime/criu_complaint.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void complain(const char *log, bool restore, bh_error *err) {
    *err = (bh_error){.code = -1};
    assert_int_equal(criu_complaint(log, restore, err), -1);
}

static void the_first_complaint_that_says_something_is_told(void **state) {
    (void)state;
    bh_error err;
    complain("(00.1) Warn  (criu/mount.c:1263): mnt: Can't create a temporary directory\n"
             "Error (criu/util.c:641): execvp(\"iptables-save\", ...) failed: No such file or directory\n"
             "(00.2) Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option.\n"
             "(00.3) Error (criu/cr-dump.c:1681): Dump files (pid: 202) failed with -1\n"
             "(00.4) Error (criu/cr-dump.c:2111): Dumping FAILED.\n",
             false, &err);
    assert_int_equal(err.code, ENOTSUP);
    assert_non_null(strstr(err.message, "an open TCP connection"));
    assert_non_null(strstr(err.message, "(CRIU: Error (criu/sk-inet.c:191): inet: Connected TCP socket"));
    assert_null(strstr(err.message, "00.2"));
}

static void an_unknown_one_is_told_as_it_is(void **state) {
    (void)state;
    bh_error err;
    complain("Error (criu/new.c:1): something new\nError (criu/cr-restore.c:1): Restoring FAILED.", true, &err);
    assert_string_equal(err.message, "CRIU could not restore it: Error (criu/new.c:1): something new");
    assert_int_equal(err.code, 0);
}

static void a_log_without_one_is_no_reason_to_be_silent(void **state) {
    (void)state;
    bh_error err;
    complain("", false, &err);
    assert_non_null(strstr(err.message, "without a complaint"));
    complain("Error (criu/cr-dump.c:2111): Dumping FAILED.\n", false, &err);
    assert_non_null(strstr(err.message, "without a complaint"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_complaint_that_says_something_is_told),
        cmocka_unit_test(an_unknown_one_is_told_as_it_is),
        cmocka_unit_test(a_log_without_one_is_no_reason_to_be_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
