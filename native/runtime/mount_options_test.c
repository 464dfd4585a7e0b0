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

static void every_word_that_is_known_is_taken_and_not_passed_on(void **state) {
    (void)state;
    json_t *words = mount_options_known(), *word;
    size_t index;
    assert_true(json_array_size(words) > 50);
    json_array_foreach(words, index, word) {
        const char *const options[] = {json_string_value(word), NULL};
        mount_options o;
        bh_error err = {0};
        assert_int_equal(mount_options_parse(options, "mounts[0]", &o, &err), 0);
        // What belongs to a file system is passed on, and known to be passed on.
        assert_true(o.data[0] == NULL || strstr("sync async dirsync lazytime nolazytime", options[0]));
    }
    json_decref(words);
}

static void what_takes_access_times_back_leaves_relatime(void **state) {
    (void)state;
    static const char *const words[] = {"atime", "nostrictatime", "norelatime", "relatime"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *const options[] = {"noatime", words[i], NULL};
        mount_options o;
        bh_error err = {0};
        assert_int_equal(mount_options_parse(options, "mounts[0]", &o, &err), 0);
        assert_int_equal(o.set, MOUNT_ATTR_RELATIME);
        assert_int_equal(o.clear, MOUNT_ATTR__ATIME);
    }
}

static void what_is_not_supported_is_refused_with_its_mount(void **state) {
    (void)state;
    const char *const options[] = {"ro", "mand", NULL};
    mount_options o;
    bh_error err = {0};
    assert_int_equal(mount_options_parse(options, "mounts[4]", &o, &err), -1);
    assert_non_null(strstr(err.message, "mounts[4].options: mand is not supported"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_sorted_by_what_takes_them),
        cmocka_unit_test(the_later_of_two_opposites_wins),
        cmocka_unit_test(every_word_that_is_known_is_taken_and_not_passed_on),
        cmocka_unit_test(what_takes_access_times_back_leaves_relatime),
        cmocka_unit_test(what_is_not_supported_is_refused_with_its_mount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
