// SELinux's interface: what is said where there is none, and what an attribute holds where there is.
// tests/integration/selinux.test.ts runs this program once more, in a VM that has SELinux.
#include "base/selinux.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int proc;

static int open_proc(void **state) {
    (void)state;
    proc = open("/proc", O_PATH | O_DIRECTORY);
    return proc < 0 ? -1 : 0;
}

static int close_proc(void **state) {
    (void)state;
    return close(proc);
}

static void every_mode_has_a_name(void **state) {
    (void)state;
    assert_string_equal(selinux_mode_name(SELINUX_OFF), "off");
    assert_string_equal(selinux_mode_name(SELINUX_PERMISSIVE), "permissive");
    assert_string_equal(selinux_mode_name(SELINUX_ENFORCING), "enforcing");
}

static void nonsense_is_no_label_anywhere(void **state) {
    (void)state;
    assert_false(selinux_knows("nonsense"));
    assert_false(selinux_knows(""));
}

static void a_label_that_cannot_be_set_is_named_with_its_attribute(void **state) {
    (void)state;
    bh_error err = {0};
    assert_int_equal(selinux_write_attribute(proc, "exec", "nonsense", &err), -1);
    assert_non_null(strstr(err.message, "\"nonsense\" (attr/exec"));
    assert_int_equal(selinux_label_file(AT_FDCWD, "/proc/self/no-such-file", "nonsense", &err), -1);
    assert_non_null(strstr(err.message, "cannot label /proc/self/no-such-file"));
}

static void the_label_of_a_process_that_is_gone_cannot_be_read(void **state) {
    (void)state;
    char label[SELINUX_LABEL_MAX];
    bh_error err = {0};
    assert_int_equal(selinux_read_attribute(proc, INT32_MAX, "current", label, &err), -1);
    assert_non_null(strstr(err.message, "the SELinux label of pid 2147483647"));
}

static void an_attribute_that_is_not_set_is_empty_and_an_error_where_there_is_no_selinux(void **state) {
    (void)state;
    char label[SELINUX_LABEL_MAX] = "left over";
    bh_error err = {0};
    if (selinux_current_mode() == SELINUX_OFF) {
        assert_int_equal(selinux_read_attribute(proc, getpid(), "exec", label, &err), -1);
        assert_non_null(strstr(err.message, "the SELinux label of pid "));
    } else {
        assert_int_equal(selinux_read_attribute(proc, getpid(), "exec", label, &err), 0);
        assert_string_equal(label, "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mode_has_a_name),
        cmocka_unit_test(nonsense_is_no_label_anywhere),
        cmocka_unit_test(a_label_that_cannot_be_set_is_named_with_its_attribute),
        cmocka_unit_test(the_label_of_a_process_that_is_gone_cannot_be_read),
        cmocka_unit_test(an_attribute_that_is_not_set_is_empty_and_an_error_where_there_is_no_selinux),
    };
    return cmocka_run_group_tests(tests, open_proc, close_proc);
}
