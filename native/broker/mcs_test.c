// Categories: unique, well-formed, and found again in a record.
#include "base/selinux.h"
#include "broker/machine.h"
#include "broker/mcs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 2000 };

static void no_two_machines_share_a_pair(void **state) {
    (void)state;
    static machine machines[MANY];
    bh_error err;
    for (size_t i = 0; i < MANY; i++) {
        machines[i] = (machine){.next = i > 0 ? &machines[i - 1] : NULL};
        char level[MCS_LEVEL_MAX];
        assert_int_equal(mcs_allocate(machines[i].next, level, &err), 0);
        snprintf(machines[i].label, MCS_LABEL_MAX, "system_u:system_r:%s:%s", i % 2 ? "container_t" : "svirt_t", level);
        assert_true(mcs_is_label(machines[i].label));
        for (size_t other = 0; other < i; other++)
            assert_string_not_equal(strstr(machines[i].label, ":s0:"), strstr(machines[other].label, ":s0:"));
    }
}

static void pairs_are_spread_over_all_categories(void **state) {
    (void)state;
    bool seen[MCS_CATEGORIES] = {false};
    char level[MCS_LEVEL_MAX];
    bh_error err;
    int distinct = 0;
    for (int i = 0; i < 20000; i++) {
        unsigned first = 0, second = 0;
        assert_int_equal(mcs_allocate(NULL, level, &err), 0);
        assert_int_equal(sscanf(level, "s0:c%u,c%u", &first, &second), 2);
        assert_true(first < second && second < MCS_CATEGORIES);
        distinct += !seen[first];
        seen[first] = true;
        distinct += !seen[second];
        seen[second] = true;
    }
    // 40,000 draws of 1,024: that one is missing has a chance of about 1 in 10^14.
    assert_int_equal(distinct, MCS_CATEGORIES);
}

static void a_label_is_read_in_one_form_only(void **state) {
    (void)state;
#define CONTAINER "system_u:system_r:container_t:"
    static const char *const good[] = {"", CONTAINER "s0:c0,c1", "system_u:system_r:container_engine_t:s0:c12,c900",
                                       "system_u:system_r:svirt_t:s0:c1022,c1023"};
    static const char *const bad[] = {
        CONTAINER "s0",
        CONTAINER "s0:c1",
        CONTAINER "s0:c2,c1",
        CONTAINER "s0:c1,c1",
        CONTAINER "s0:c1,c1024",
        CONTAINER "s0:c01,c2",
        CONTAINER "s0:c1,c2,c3",
        CONTAINER "s0:c1,c2 ",
        CONTAINER " s0:c1,c2",
        CONTAINER "s0:c-1,c2",
        CONTAINER "s0:c+1,c2",
        CONTAINER "s1:c1,c2",
        CONTAINER "s0:c1.c2",
        CONTAINER "s0:c1,c 2",
        CONTAINER "s0:c1,c99999",
        CONTAINER "s0:c1,c2-s0",
        CONTAINER,
        "system_u:system_r:x",
        "container_t",
        "system_u:system_r:kernel_t:s0:c1,c2",
        "root:system_r:container_t:s0:c1,c2",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(mcs_is_label(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(mcs_is_label(bad[i]));
}

static void a_host_without_selinux_gives_no_label(void **state) {
    (void)state;
    char label[MCS_LABEL_MAX] = "left over";
    bh_error err;
    if (selinux_current_mode() != SELINUX_OFF)
        skip();
    assert_int_equal(mcs_give(NULL, "hardened", label, &err), 0);
    assert_string_equal(label, "");
    mcs_monitor_label("", label);
    assert_string_equal(label, "");
}

static void files_of_a_container_have_its_categories(void **state) {
    (void)state;
    char label[MCS_LABEL_MAX];
    mcs_file_label("system_u:system_r:container_engine_t:s0:c12,c900", label);
    assert_string_equal(label, "system_u:object_r:container_file_t:s0:c12,c900");
}

static void a_host_without_the_type_is_told_what_is_missing(void **state) {
    (void)state;
    char label[MCS_LABEL_MAX];
    bh_error err = {0};
    // Where the test runs no policy knows the type; where one does, the label has the machine's categories.
    if (mcs_process_label("hardened", "s0:c12,c900", label, &err) < 0)
        assert_non_null(strstr(err.message, "container_t"));
    else
        assert_string_equal(label, "system_u:system_r:container_t:s0:c12,c900");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_machines_share_a_pair),
        cmocka_unit_test(pairs_are_spread_over_all_categories),
        cmocka_unit_test(a_label_is_read_in_one_form_only),
        cmocka_unit_test(a_host_without_selinux_gives_no_label),
        cmocka_unit_test(files_of_a_container_have_its_categories),
        cmocka_unit_test(a_host_without_the_type_is_told_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
