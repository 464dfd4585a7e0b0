// The command line: what is taken and what is refused, by name.
#include "monitor/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NEEDED                                                                                                         \
    "--socket", "/s", "--socket-uid", "1", "--socket-gid", "2", "--columns", "80", "--rows", "24", "--status-fd", "1"

static bh_error err;
static options o;

#define PARSE(...)                                                                                                     \
    ({                                                                                                                 \
        static const char *words[] = {"bulkhead-monitor", __VA_ARGS__, NULL};                                          \
        options_parse((int)(sizeof words / sizeof *words) - 1, (char **)words, &o, &err);                              \
    })

#define REFUSED(why, ...)                                                                                              \
    do {                                                                                                               \
        assert_int_equal(PARSE(__VA_ARGS__), -1);                                                                      \
        assert_string_equal(err.message, why);                                                                         \
    } while (0)

static void everything_is_taken_and_the_command_keeps_its_own_options(void **state) {
    (void)state;
    assert_int_equal(PARSE(NEEDED, "--uid", "3", "--gid", "4", "--ring", "8192", "--console-socket", "/c", "--pid-file",
                           "/p", "--", "ls", "--uid", "x"),
                     0);
    assert_string_equal(o.socket, "/s");
    assert_int_equal(o.socket_uid, 1);
    assert_int_equal(o.socket_gid, 2);
    assert_int_equal(o.uid, 3);
    assert_int_equal(o.gid, 4);
    assert_int_equal(o.size.columns, 80);
    assert_int_equal(o.size.rows, 24);
    assert_int_equal(o.ring_bytes, 8192);
    assert_string_equal(o.console_socket, "/c");
    assert_string_equal(o.pid_file, "/p");
    assert_string_equal(o.command[0], "ls");
    assert_string_equal(o.command[2], "x");
    assert_null(o.command[3]);
}

static void what_is_not_said_is_left_as_it_is(void **state) {
    (void)state;
    assert_int_equal(PARSE(NEEDED, "ls"), 0);
    assert_int_equal(o.uid, (uid_t)-1);
    assert_int_equal(o.ring_bytes, 262144);
    assert_null(o.console_socket);
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    REFUSED("no command to run: put it after --", NEEDED);
    REFUSED("--socket, --socket-uid and --socket-gid are needed", "--columns", "1", "ls");
    REFUSED("--columns: not a number that is allowed there", NEEDED, "--columns", "0", "ls");
    REFUSED("--rows: not a number that is allowed there", NEEDED, "--rows", "65536", "ls");
    REFUSED("--uid: not a number that is allowed there", NEEDED, "--uid", "-1", "--gid", "1", "ls");
    REFUSED("--gid: not a number that is allowed there", NEEDED, "--uid", "1", "--gid", "4294967295", "ls");
    REFUSED("--ring: not a number that is allowed there", NEEDED, "--ring", "12x", "ls");
    REFUSED("--uid and --gid go together", NEEDED, "--uid", "1", "ls");
    REFUSED("--console-socket and --pid-file go together", NEEDED, "--pid-file", "/p", "ls");
    REFUSED("--status-fd must name an open file descriptor", NEEDED, "--status-fd", "999", "ls");
    REFUSED("--bogus: unknown option", NEEDED, "--bogus", "ls");
    REFUSED("--uid: needs a value", NEEDED, "--uid");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_taken_and_the_command_keeps_its_own_options),
        cmocka_unit_test(what_is_not_said_is_left_as_it_is),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
