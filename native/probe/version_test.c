// Kernel versions, as kernels and distributions write them, judged against holes.
#include "probe/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const kernel_hole hole = {{4, 14, 0}, {{6, 1, 170}, {6, 12, 85}, {7, 0, 0}}};

static void reads_what_kernels_call_themselves(void **state) {
    (void)state;
    static const struct {
        const char *text;
        kernel_version version;
    } cases[] = {
        {"6.18.44-fc-v669", {6, 18, 44}},      {"7.1-rc3", {7, 1, 0}},
        {"5.14.0-427.el9.x86_64", {5, 14, 0}}, {"6.8", {6, 8, 0}},
        {"6.1.0-40-amd64", {6, 1, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kernel_version v;
        assert_true(version_parse(cases[i].text, &v));
        assert_int_equal(version_compare(v, cases[i].version), 0);
    }
    kernel_version v;
    assert_false(version_parse("linux", &v));
    assert_false(version_parse("6", &v));
}

static void orders_versions_by_number_and_not_by_letter(void **state) {
    (void)state;
    assert_true(version_compare((kernel_version){6, 9, 0}, (kernel_version){6, 10, 0}) < 0);
    assert_true(version_compare((kernel_version){6, 1, 99}, (kernel_version){6, 1, 100}) < 0);
    assert_true(version_compare((kernel_version){10, 0, 0}, (kernel_version){9, 99, 99}) > 0);
}

static hole_verdict judge(const char *release, const char *version) {
    running_kernel kernel = version_running(release, version);
    return version_judge(&kernel, &hole);
}

static void tells_an_open_hole_from_a_closed_one(void **state) {
    (void)state;
    static const struct {
        const char *release;
        hole_verdict verdict;
    } cases[] = {
        {"4.13.16", HOLE_CLOSED}, {"4.14.0", HOLE_OPEN},  {"6.1.169", HOLE_OPEN},   {"6.1.170", HOLE_CLOSED},
        {"6.6.200", HOLE_OPEN},   {"6.12.84", HOLE_OPEN}, {"6.12.85", HOLE_CLOSED}, {"6.19.12", HOLE_OPEN},
        {"7.0.0", HOLE_CLOSED},   {"7.4.1", HOLE_CLOSED}, {"7.0-rc1", HOLE_CLOSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(judge(cases[i].release, "#1 SMP"), cases[i].verdict);
}

static void believes_debian_but_does_not_guess_what_others_brought_back(void **state) {
    (void)state;
    const char *debian = "6.1.0-40-amd64";
    assert_int_equal(judge(debian, "#1 SMP PREEMPT_DYNAMIC Debian 6.1.153-1 (2025-09-20)"), HOLE_OPEN);
    assert_int_equal(judge(debian, "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1 (2026-05-01)"), HOLE_CLOSED);
    assert_int_equal(judge("6.8.0-45-generic", "#45-Ubuntu SMP PREEMPT_DYNAMIC"), HOLE_UNKNOWN);
    assert_int_equal(judge("5.14.0-427.el9.x86_64", "#1 SMP"), HOLE_UNKNOWN);
    // kernel.org's own, and a cloud's build of it, mean what they say.
    assert_int_equal(judge("6.8.0", "#1 SMP"), HOLE_OPEN);
    assert_int_equal(judge("6.12.80-cloud", "#1 SMP"), HOLE_OPEN);
    // Closed everywhere is closed, whoever numbers.
    assert_int_equal(judge("7.2.0-9-generic", "#9-Ubuntu SMP"), HOLE_CLOSED);
}

static void says_where_a_hole_is_closed(void **state) {
    (void)state;
    char text[64];
    assert_string_equal(version_list_fixed(&hole, text, sizeof text), "6.1.170, 6.12.85, 7.0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_kernels_call_themselves),
        cmocka_unit_test(orders_versions_by_number_and_not_by_letter),
        cmocka_unit_test(tells_an_open_hole_from_a_closed_one),
        cmocka_unit_test(believes_debian_but_does_not_guess_what_others_brought_back),
        cmocka_unit_test(says_where_a_hole_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
