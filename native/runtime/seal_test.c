// For which containers the runtime's binary has to be sealed.
#include "runtime/namespaces.h"
#include "runtime/seal.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct stat of_root = {.st_uid = 0, .st_gid = 0, .st_mode = S_IFREG | 0755};

static config mapped(uint32_t first, uint32_t count) {
    return (config){.namespaces = CLONE_NEWUSER,
                    .uid_maps = {{0, first, count}},
                    .uid_map_count = 1,
                    .gid_maps = {{0, first, count}},
                    .gid_map_count = 1};
}

static void not_for_ids_that_are_nobody_to_the_file(void **unused) {
    (void)unused;
    config c = mapped(100000, 65536);
    assert_false(seal_is_needed(&c, &of_root));
}

static void for_the_hosts_own_ids(void **unused) {
    (void)unused;
    config c = {0};
    assert_true(seal_is_needed(&c, &of_root));
    config joined = mapped(100000, 65536);
    joined.namespace_paths[namespace_kind("user")] = "/proc/1/ns/user";
    assert_true(seal_is_needed(&joined, &of_root));
}

static void for_a_namespace_that_holds_the_files_owner_or_group(void **unused) {
    (void)unused;
    config c = mapped(0, 1);
    assert_true(seal_is_needed(&c, &of_root));
    c = mapped(1000, 1000);
    struct stat binary = of_root;
    binary.st_uid = 1999; // the last that is mapped: a checkout of a user's own
    assert_true(seal_is_needed(&c, &binary));
    binary.st_uid = 2000;
    assert_false(seal_is_needed(&c, &binary));
    binary.st_gid = 1000;
    assert_true(seal_is_needed(&c, &binary));
}

static void for_a_file_that_anybody_may_write(void **unused) {
    (void)unused;
    config c = mapped(100000, 65536);
    struct stat binary = of_root;
    binary.st_mode = S_IFREG | 0757;
    assert_true(seal_is_needed(&c, &binary));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_for_ids_that_are_nobody_to_the_file),
        cmocka_unit_test(for_the_hosts_own_ids),
        cmocka_unit_test(for_a_namespace_that_holds_the_files_owner_or_group),
        cmocka_unit_test(for_a_file_that_anybody_may_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
