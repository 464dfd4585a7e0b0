// Which descriptors are left open, tried in children: a test program's own are not to be closed.
#include "runtime/descriptors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { HIGH = 40 };

// Opens 3 to 9 and HIGH; all others from 3 on are closed.
static void open_some(void) {
    close_range(3, ~0u, 0);
    for (int fd = 3; fd < 10; fd++)
        if (open("/dev/null", O_RDONLY) != fd)
            _exit(100);
    if (dup2(3, HIGH) != HIGH)
        _exit(100);
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

// The number of the first expectation that fails in the child, 0 for none.
static int in_child(int (*body)(void)) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        open_some();
        _exit(body());
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

static int close_others(void) {
    const int kept[] = {HIGH, -1, 7};
    bh_error err;
    if (descriptors_close_others(2, kept, 3, &err) < 0)
        return 1;
    for (int fd = 0; fd < 10; fd++)
        if (is_open(fd) != (fd < 5 || fd == 7))
            return 2 + fd;
    return is_open(HIGH) ? 0 : 20;
}

static void what_is_named_is_kept_and_nothing_between(void **state) {
    (void)state;
    assert_int_equal(in_child(close_others), 0);
}

static int mark_all(void) {
    bh_error err;
    if (descriptors_close_on_exec(&err) < 0)
        return 1;
    for (int fd = 3; fd < 10; fd++)
        if (fcntl(fd, F_GETFD) != FD_CLOEXEC)
            return fd;
    return fcntl(0, F_GETFD) == 0 ? 0 : 20;
}

static int leave_two(void) {
    bh_error err;
    if (descriptors_close_on_exec(&err) < 0 || descriptors_leave_open(2, &err) < 0)
        return 1;
    for (int fd = 3; fd < 10; fd++)
        if (fcntl(fd, F_GETFD) != (fd < 5 ? 0 : FD_CLOEXEC))
            return fd;
    return 0;
}

static void exec_leaves_the_standard_ones_and_those_preserved(void **state) {
    (void)state;
    assert_int_equal(in_child(mark_all), 0);
    assert_int_equal(in_child(leave_two), 0);
}

static int preserve(void) {
    bh_error err;
    int count = -1;
    if (descriptors_parse_preserved("7", &count, &err) < 0 || count != 7)
        return 1;
    // There is no 10, so eight would be one that the runtime opens later.
    return descriptors_parse_preserved("8", &count, &err) < 0 && strstr(err.message, "fd 10 is not open") ? 0 : 2;
}

static void a_gap_among_the_preserved_is_refused(void **state) {
    (void)state;
    bh_error err;
    int count = -1;
    static const char *const bad[] = {"", "-1", "x", "1x", "5000"};
    assert_int_equal(in_child(preserve), 0);
    assert_int_equal(descriptors_parse_preserved("0", &count, &err), 0);
    assert_int_equal(count, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(descriptors_parse_preserved(bad[i], &count, &err) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_named_is_kept_and_nothing_between),
        cmocka_unit_test(exec_leaves_the_standard_ones_and_those_preserved),
        cmocka_unit_test(a_gap_among_the_preserved_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
