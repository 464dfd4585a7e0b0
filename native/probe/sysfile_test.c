// Small files, lists of words, and what is said of controllers.
#include "probe/sysfile.h"

#include "probe/cgroups.h"
#include "probe/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/bulkhead-sysfile-XXXXXX";

static int make_file(void **state) {
    (void)state;
    return mkstemp(path) < 0 ? -1 : 0;
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void write_file(const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_number_is_a_number_or_nothing(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t number;
    } cases[] = {{"42\n", 42}, {"0\n", 0}, {"-1\n", -1}, {"0x10", 16}, {"4096\t32768\n", 4096}};
    int64_t number;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(cases[i].text);
        assert_true(sysfile_number(path, &number));
        assert_int_equal(number, cases[i].number);
    }
    static const char *const none[] = {"", "max\n", "99999999999999999999\n"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        write_file(none[i]);
        assert_false(sysfile_number(path, &number));
        assert_int_equal(number, -1);
    }
    assert_false(sysfile_number("/proc/there/is/none", &number));
}

static void a_text_is_empty_where_there_is_no_file(void **state) {
    (void)state;
    char text[16] = "before";
    assert_false(sysfile_text("/proc/there/is/none", text, sizeof text));
    assert_string_equal(text, "");
    write_file("short  \n");
    assert_true(sysfile_text(path, text, sizeof text));
    assert_string_equal(text, "short");
    write_file("longer than there is room for");
    assert_false(sysfile_text(path, text, sizeof text));
    assert_string_equal(text, "");
}

static void a_list_reads_the_same_for_a_person_and_a_program(void **state) {
    (void)state;
    word_list list = list_begin(", ");
    assert_string_equal(list.text, "");
    list_add(&list, "one");
    list_add(&list, "two");
    assert_string_equal(list.text, "one, two");
    assert_int_equal(json_array_size(list.array), 2);
    for (int i = 0; i < 200; i++) // longer than there is room for is cut, and nothing else
        list_add(&list, "more");
    assert_int_equal(strlen(list.text), sizeof list.text - 1);
    assert_int_equal(json_array_size(list.array), 202);
    json_decref(list.array);
}

static void what_to_do_about_a_controller_depends_on_the_version(void **state) {
    (void)state;
    assert_non_null(strstr(cgroups_remedy(1), "mount"));
    assert_non_null(strstr(cgroups_remedy(2), "Delegate=yes"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_a_number_or_nothing),
        cmocka_unit_test(a_text_is_empty_where_there_is_no_file),
        cmocka_unit_test(a_list_reads_the_same_for_a_person_and_a_program),
        cmocka_unit_test(what_to_do_about_a_controller_depends_on_the_version),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
