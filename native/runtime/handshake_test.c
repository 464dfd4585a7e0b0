// The launch's messages over a real socket pair: in order, in failure, and at the end.
#include "runtime/handshake.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static int ends[2];

static int make(void **state) {
    (void)state;
    bh_error err;
    return handshake_make(ends, &err);
}

static int end(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return 0;
}

static void a_message_arrives_with_its_value(void **state) {
    (void)state;
    bh_error err = {0};
    int pid = 0;
    assert_int_equal(handshake_send(ends[1], HANDSHAKE_PID, 4711, &err), 0);
    assert_int_equal(handshake_wait(ends[0], HANDSHAKE_PID, &pid, &err), 0);
    assert_int_equal(pid, 4711);
    assert_string_equal(err.message, "");
}

static void the_other_sides_failure_becomes_ours(void **state) {
    (void)state;
    bh_error err = {0}, failure = {0};
    bh_fail(&failure, ENOSPC, "cannot make the overlay");
    handshake_send_error(ends[1], &failure);
    assert_true(handshake_wait(ends[0], HANDSHAKE_READY, NULL, &err) < 0);
    assert_string_equal(err.message, failure.message);
    assert_int_equal(err.code, ENOSPC);
}

static void a_sender_hears_why_nobody_listens(void **state) {
    (void)state;
    bh_error err = {0}, failure = {0};
    bh_fail(&failure, 0, "process.args[0] is missing");
    handshake_send_error(ends[1], &failure);
    close(take_fd(&ends[1]));
    assert_true(handshake_send(ends[0], HANDSHAKE_GO, 0, &err) < 0);
    assert_string_equal(err.message, "process.args[0] is missing");
}

static void the_end_of_file_is_the_news_of_the_exec(void **state) {
    (void)state;
    bh_error err = {0};
    close(take_fd(&ends[1]));
    assert_int_equal(handshake_wait(ends[0], HANDSHAKE_EXECED, NULL, &err), 0);
    // Too early it is a death.
    assert_true(handshake_wait(ends[0], HANDSHAKE_READY, NULL, &err) < 0);
    assert_non_null(strstr(err.message, "ended before it was ready"));
}

static void a_message_out_of_turn_is_refused(void **state) {
    (void)state;
    bh_error err = {0};
    assert_int_equal(handshake_send(ends[1], HANDSHAKE_READY, 0, &err), 0);
    assert_true(handshake_wait(ends[0], HANDSHAKE_ROOTED, NULL, &err) < 0);
}

static void a_file_goes_along_with_a_message(void **state) {
    (void)state;
    bh_error err = {0};
    struct stat sent, received;
    cleanup_fd int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(handshake_send_file(ends[1], HANDSHAKE_LISTENER, file, &err), 0);
    cleanup_fd int got = handshake_wait_file(ends[0], HANDSHAKE_LISTENER, &err);
    assert_true(got >= 0 && got != file);
    assert_int_equal(fstat(file, &sent), 0);
    assert_int_equal(fstat(got, &received), 0);
    assert_int_equal(sent.st_rdev, received.st_rdev);
    // A message without one is not enough.
    assert_int_equal(handshake_send(ends[1], HANDSHAKE_LISTENER, 0, &err), 0);
    assert_true(handshake_wait_file(ends[0], HANDSHAKE_LISTENER, &err) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_arrives_with_its_value, make, end),
        cmocka_unit_test_setup_teardown(the_other_sides_failure_becomes_ours, make, end),
        cmocka_unit_test_setup_teardown(a_sender_hears_why_nobody_listens, make, end),
        cmocka_unit_test_setup_teardown(the_end_of_file_is_the_news_of_the_exec, make, end),
        cmocka_unit_test_setup_teardown(a_message_out_of_turn_is_refused, make, end),
        cmocka_unit_test_setup_teardown(a_file_goes_along_with_a_message, make, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
