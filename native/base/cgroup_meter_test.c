// The texts of the kernel that meters read, and a meter of a real group where the test is root.
#include "base/cgroup.h"
#include "base/cgroup_meter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void pressure_is_in_hundredths_of_a_percent(void **state) {
    (void)state;
    cgroup_pressure found = cgroup_parse_pressure("some avg10=12.04 avg60=12.09 avg300=9.60 total=15079156487\n"
                                                  "full avg10=0.50 avg60=0.00 avg300=0.00 total=0\n");
    assert_int_equal(found.some, 1204);
    assert_int_equal(found.full, 50);
    found = cgroup_parse_pressure("some avg10=100.00 avg60=0.00 avg300=0.00 total=0\n"); // cpu before Linux 5.13
    assert_int_equal(found.some, 10000);
    assert_int_equal(found.full, -1);
    assert_int_equal(cgroup_parse_pressure("").some, -1);
    assert_int_equal(cgroup_parse_pressure("some avg10=").some, -1);
}

static void devices_are_summed_up_and_none_is_not_zero(void **state) {
    (void)state;
    static const char v1[] = "8:16 Read 100\n8:16 Write 7\n8:16 Total 107\n8:0 Read 23\n8:0 Write 0\nTotal 130\n";
    static const char v2[] = "8:16 rbytes=100 wbytes=7 rios=3 wios=1 dbytes=0 dios=0\n254:0 \n"
                             "8:0 rbytes=23 wbytes=0 rios=2 wios=0 dbytes=9 dios=1\n";
    assert_int_equal(cgroup_sum_devices(v1, " Read "), 123);
    assert_int_equal(cgroup_sum_devices(v1, " Write "), 7);
    assert_int_equal(cgroup_sum_devices("Total 0\n", " Read "), -1);
    assert_int_equal(cgroup_sum_devices(v2, " rbytes="), 123);
    assert_int_equal(cgroup_sum_devices(v2, " wios="), 1);
    assert_int_equal(cgroup_sum_devices("", " rbytes="), -1);
    assert_int_equal(cgroup_sum_devices("8:0 rbytes=9223372036854775807\n8:1 rbytes=2\n", " rbytes="), INT64_MAX);
}

// A group of the same name is another group: whoever measures has to open it anew, and is told.
static void a_meter_outlives_nothing(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    char path[64];
    snprintf(path, sizeof path, "bulkhead-test-%d-meter", getpid());
    bh_error err = {0};
    cgroup_limits limits = CGROUP_NO_LIMITS;
    cgroup_meter meter = {0};
    cgroup_usage usage;
    limits.pids = 9;
    assert_int_equal(cgroup_meter_open(&meter, path, &err), -1);
    assert_int_equal(cgroup_create(path, &limits, &err), 0);
    assert_int_equal(cgroup_meter_open(&meter, path, &err), 0);
    assert_int_equal(cgroup_meter_read(&meter, &usage, &err), 0);
    assert_int_equal(usage.pids, 0);
    assert_int_equal(usage.pids_limit, 9);
    assert_int_equal(usage.oom_kills, 0);
    assert_int_equal(cgroup_delete(path, &err), 0);
    assert_int_equal(cgroup_create(path, &limits, &err), 0);
    assert_int_equal(cgroup_meter_read(&meter, &usage, &err), -1);
    assert_int_equal(err.code, ENODEV);
    cgroup_meter_close(&meter);
    assert_int_equal(cgroup_delete(path, &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pressure_is_in_hundredths_of_a_percent),
        cmocka_unit_test(devices_are_summed_up_and_none_is_not_zero),
        cmocka_unit_test(a_meter_outlives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
