// Which controllers a v2 group passes on, and how a missing one is explained: on a directory made to look like a tree.
#include "base/cgroup_backend.h"
#include "base/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char tree[64];

static void put(const char *group, const char *file, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s%s", tree, group, file);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static const char *text_of(const char *group, const char *file) {
    static char text[256];
    char path[256];
    bh_error err = {0};
    snprintf(path, sizeof path, "%s/%s%s", tree, group, file);
    assert_true(fs_read(AT_FDCWD, path, text, sizeof text, &err) >= 0);
    return text;
}

// A group as the kernel shows one. The root of the whole tree, "", has no type.
static void make(const char *group, const char *controllers, const char *passed_on, const char *processes) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", tree, group);
    mkdir(path, 0755);
    put(group, "cgroup.controllers", controllers);
    put(group, "cgroup.subtree_control", passed_on);
    put(group, "cgroup.procs", processes);
    if (*group)
        put(group, "cgroup.type", "domain\n");
}

static int make_tree(void **state) {
    (void)state;
    strcpy(tree, "/tmp/cgroup2-test-XXXXXX");
    if (!mkdtemp(tree))
        return -1;
    make("", "cpu io memory pids\n", "cpu memory\n", "1\n2\n");
    make("slice/", "cpu memory\n", "cpu\n", "");
    make("slice/box/", "cpu\n", "", "");
    return 0;
}

static int remove_tree(void **state) {
    (void)state;
    bh_error err = {0};
    return fs_remove_tree(AT_FDCWD, tree, &err);
}

static void words_are_whole_words(void **state) {
    (void)state;
    assert_true(cgroup2_has_word("cpuset cpu io", "cpu"));
    assert_true(cgroup2_has_word("cpuset cpu io", "io"));
    assert_false(cgroup2_has_word("cpuset io", "cpu"));
    assert_false(cgroup2_has_word("", "cpu"));
}

static void what_is_there_and_not_yet_passed_on_is_enabled_at_once(void **state) {
    (void)state;
    char group[256];
    snprintf(group, sizeof group, "%s", tree);
    cgroup2_enable_below(group); // the root, which may have processes
    // Written over the old text from its start, for this file is not the kernel's.
    assert_memory_equal(text_of("", "cgroup.subtree_control"), "+io +pids", 9);
    snprintf(group, sizeof group, "%s/slice", tree);
    cgroup2_enable_below(group);
    assert_string_equal(text_of("slice/", "cgroup.subtree_control"), "+memory");
}

static void a_group_with_processes_is_left_as_it_is(void **state) {
    (void)state;
    char group[256];
    snprintf(group, sizeof group, "%s/slice", tree);
    put("slice/", "cgroup.procs", "42\n43\n");
    cgroup2_enable_below(group);
    assert_string_equal(text_of("slice/", "cgroup.subtree_control"), "cpu");
}

static const char *explained(const char *path, const char *controller) {
    static bh_error err;
    err = (bh_error){0};
    assert_int_equal(cgroup2_pass_on(tree, path, controller, &err), -1);
    return err.message;
}

static void a_controller_that_few_need_is_passed_on_when_asked_for(void **state) {
    (void)state;
    bh_error err = {0};
    put("", "cgroup.controllers", "hugetlb\n");
    put("slice/", "cgroup.controllers", "hugetlb\n");
    assert_int_equal(cgroup2_pass_on(tree, "slice/box", "hugetlb", &err), 0);
    assert_memory_equal(text_of("", "cgroup.subtree_control"), "+hugetlb", 8);
    assert_string_equal(text_of("slice/", "cgroup.subtree_control"), "+hugetlb");
}

static void a_missing_controller_is_blamed_on_who_holds_it_back(void **state) {
    (void)state;
    assert_non_null(strstr(explained("slice/box", "rdma"), " has no rdma controller (mounted as v1, "));
    // io and pids are there, and the root can be made to pass them on; the slice has them not, in this still picture.
    assert_non_null(strstr(explained("slice/box", "pids"), "/slice has no pids controller"));
    put("slice/", "cgroup.procs", "42\n43\n");
    assert_non_null(
        strstr(explained("slice/box", "memory"),
               "/slice cannot pass the memory controller on while it has processes itself (such as pid 42)"));
    put("slice/", "cgroup.type", "threaded\n");
    assert_non_null(strstr(explained("slice/box", "memory"), "/slice is threaded and has no memory controller"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_whole_words),
        cmocka_unit_test_setup_teardown(what_is_there_and_not_yet_passed_on_is_enabled_at_once, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(a_group_with_processes_is_left_as_it_is, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(a_controller_that_few_need_is_passed_on_when_asked_for, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(a_missing_controller_is_blamed_on_who_holds_it_back, make_tree, remove_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
