// Which namespaces are made, joined and named.
#include "runtime/namespaces.h"

#include "runtime/capabilities.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_kind_is_found_by_its_name_and_no_other(void **state) {
    (void)state;
    static const char *const types[] = {"user", "mount", "pid", "network", "ipc", "uts", "cgroup", "time"};
    for (int i = 0; i < NAMESPACE_KINDS; i++) {
        assert_int_equal(namespace_kind(types[i]), i);
        assert_string_equal(namespace_table[i].type, types[i]);
    }
    assert_int_equal(namespace_kind("mnt"), -1);
    assert_int_equal(namespace_kind(""), -1);
}

static void what_exists_is_joined_and_not_made(void **state) {
    (void)state;
    config c = {.namespaces = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWTIME};
    assert_int_equal(namespaces_to_make(&c), CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWTIME);
    assert_false(namespaces_any_existing(&c));
    c.namespace_paths[namespace_kind("network")] = "/run/netns/blue";
    assert_int_equal(namespaces_to_make(&c), CLONE_NEWUSER | CLONE_NEWTIME);
    assert_true(namespaces_any_existing(&c));
    // A clock's offset can be set only in a time namespace without processes, so that one is made beforehand.
    json_t *offsets = json_object();
    c.time_offsets = offsets;
    assert_int_equal(namespaces_to_make(&c), CLONE_NEWUSER);
    json_decref(offsets);
}

static void they_are_described_in_the_order_of_the_table(void **state) {
    (void)state;
    char text[96];
    assert_string_equal(namespaces_describe(CLONE_NEWTIME | CLONE_NEWUSER | CLONE_NEWNS, text, sizeof text),
                        "user mount time");
    assert_string_equal(namespaces_describe(0, text, sizeof text), "");
    // All of them fit into what callers set aside.
    assert_string_equal(namespaces_describe(~0ul, text, sizeof text), "user mount pid network ipc uts cgroup time");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_found_by_its_name_and_no_other),
        cmocka_unit_test(what_exists_is_joined_and_not_made),
        cmocka_unit_test(they_are_described_in_the_order_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
