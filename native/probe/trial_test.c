// Trials: what comes back of a child that succeeds, fails, dies or hangs.
#include "probe/trial.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG_MS 20000

static int succeed(void *argument, bh_error *err) {
    (void)err;
    return *(int *)argument;
}

static int refuse(void *argument, bh_error *err) {
    (void)argument;
    return bh_fail(err, EPERM, "cannot do it");
}

static int die(void *argument, bh_error *err) {
    (void)argument;
    (void)err;
    _exit(7);
}

static int hang(void *argument, bh_error *err) {
    (void)argument;
    (void)err;
    while (pause() < 0)
        continue;
    return 0;
}

static void brings_back_what_the_child_says(void **state) {
    (void)state;
    bh_error err = {0};
    int number = 42;
    assert_int_equal(trial_run(succeed, &number, LONG_MS, &err), 42);
    assert_string_equal(err.message, "");
    assert_true(trial_run(refuse, NULL, LONG_MS, &err) < 0);
    assert_int_equal(err.code, EPERM);
    assert_string_equal(err.message, "cannot do it: Operation not permitted");
}

static void outlives_a_child_that_dies_or_hangs_and_leaves_none(void **state) {
    (void)state;
    bh_error err = {0};
    assert_true(trial_run(die, NULL, LONG_MS, &err) < 0);
    assert_int_equal(err.code, EPROTO);
    assert_true(trial_run(hang, NULL, 50, &err) < 0);
    assert_int_equal(err.code, ETIMEDOUT);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_back_what_the_child_says),
        cmocka_unit_test(outlives_a_child_that_dies_or_hangs_and_leaves_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
