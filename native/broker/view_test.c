// What is made of the texts that /proc has of a process, most of which the process can choose.
#include "broker/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void command_is(const char *bytes, size_t length, bool cut, const char *shown) {
    char copy[64];
    memcpy(copy, bytes, length);
    json_t *command = view_command(copy, length, cut);
    assert_string_equal(json_string_value(command), shown);
    json_decref(command);
}

static void a_command_line_is_one_line_of_text_whatever_is_in_it(void **state) {
    (void)state;
    command_is("sh\0-c\0echo\nhi\0", 14, false, "sh -c echo hi");
    command_is("\x1B]0;x\x07\x7F\xFF\xC3\xA4", 10, false, " ]0;x  \xEF\xBF\xBD\xC3\xA4");
    command_is("ab\xC3", 3, true, "ab\xEF\xBF\xBD\xE2\x80\xA6"); // cut inside a character
    command_is("", 0, false, "");                                // a zombie's
    command_is("\0\0\0", 3, false, "");
}

static void id_maps_are_read_up_to_a_few_lines(void **state) {
    (void)state;
    json_t *map = view_id_map("         0 3489660928      65536\n     70000          1          1");
    assert_int_equal(json_array_size(map), 2);
    json_t *first = json_array_get(map, 0);
    assert_int_equal(json_integer_value(json_object_get(first, "inside")), 0);
    assert_int_equal(json_integer_value(json_object_get(first, "outside")), 3489660928);
    assert_int_equal(json_integer_value(json_object_get(first, "count")), 65536);
    json_decref(map);
    map = view_id_map("0 0 1\n1 1 1\n2 2 1\n3 3 1\n4 4 1\n5 5 1\n6 6 1\n7 7 1\n8 8 1\n9 9 1\n");
    assert_int_equal(json_array_size(map), 8);
    json_decref(map);
    map = view_id_map("nonsense");
    assert_int_equal(json_array_size(map), 0);
    json_decref(map);
}

static void cgroup_is(const char *text, const char *path) {
    json_t *found = view_cgroup(text);
    assert_string_equal(json_string_value(found), path);
    json_decref(found);
}

static void the_group_that_limits_is_told(void **state) {
    (void)state;
    cgroup_is("0::/bulkhead/ab12/box\n", "/bulkhead/ab12/box");
    cgroup_is("9:name=systemd:/\n4:memory:/bulkhead/ab12\n2:cpu:/bulkhead/ab12\n0::/", "/bulkhead/ab12");
    cgroup_is("0::/a:b\xFF", "/a:b\xEF\xBF\xBD"); // a group's name is its owner's choice
    json_t *none = view_cgroup("");
    assert_true(json_is_null(none));
    json_decref(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_line_is_one_line_of_text_whatever_is_in_it),
        cmocka_unit_test(id_maps_are_read_up_to_a_few_lines),
        cmocka_unit_test(the_group_that_limits_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
