// How a mount's options are sorted.
#include "runtime/mount_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

static void options_are_sorted_by_what_takes_them(void **state) {
    (void)state;
    const char *const options[] = {"rbind", "nosuid", "rro", "rslave", "size=64k", "noatime", NULL};
    mount_options o;
    bh_error err = {0};
    assert_int_equal(mount_options_parse(options, "mounts[0]", &o, &err), 0);
    assert_true(o.bind && o.recursive);
    assert_int_equal(o.set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
    assert_int_equal(o.clear, MOUNT_ATTR__ATIME);
    assert_int_equal(o.recursive_set, MOUNT_ATTR_RDONLY);
    assert_int_equal(o.propagation, MS_SLAVE | MS_REC);
    assert_string_equal(o.data[0], "size=64k");
    assert_null(o.data[1]);
}

static void the_later_of_two_opposites_wins(void **state) {
    (void)state;
    const char *const options[] = {"ro", "nodev", "rw", "dev", "noexec", NULL};
    mount_options o;
    bh_error err = {0};
    assert_int_equal(mount_options_parse(options, "mounts[0]", &o, &err), 0);
    assert_int_equal(o.set, MOUNT_ATTR_NOEXEC);
    assert_int_equal(o.clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
}

static void what_is_not_supported_is_refused_with_its_mount(void **state) {
    (void)state;
    const char *const options[] = {"ro", "remount", NULL};
    mount_options o;
    bh_error err = {0};
    assert_int_equal(mount_options_parse(options, "mounts[4]", &o, &err), -1);
    assert_string_equal(err.message, "mounts[4].options: remount is not supported");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_sorted_by_what_takes_them),
        cmocka_unit_test(the_later_of_two_opposites_wins),
        cmocka_unit_test(what_is_not_supported_is_refused_with_its_mount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
