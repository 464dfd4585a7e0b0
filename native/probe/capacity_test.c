// How many machines fit, from numbers.
#include "probe/capacity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB ((int64_t)1024 * 1024)

static void reads_meminfo(void **state) {
    (void)state;
    host_memory m = capacity_parse_memory("MemTotal:       24684084 kB\nMemFree:        23000000 kB\n"
                                          "MemAvailable:   23700000 kB\nSwapCached:            7 kB\n"
                                          "SwapTotal:       1048576 kB\n");
    assert_int_equal(m.total, (int64_t)24684084 * 1024);
    assert_int_equal(m.available, (int64_t)23700000 * 1024);
    assert_int_equal(m.swap, 1024 * MIB);
    m = capacity_parse_memory("");
    assert_int_equal(m.total, 0);
}

static void says_what_runs_out_first(void **state) {
    (void)state;
    static const struct {
        capacity_limits limits;
        int64_t containers;
        const char *bound;
    } cases[] = {
        {{.memory_bytes = 300 * MIB, .pids = 32768, .ptys = 3072, .namespaces = 90000}, 100, "memory"},
        {{.memory_bytes = 24000 * MIB, .pids = 900, .ptys = 3072, .namespaces = 90000}, 300, "pids"},
        {{.memory_bytes = 24000 * MIB, .pids = 32768, .ptys = 3072, .namespaces = 90000}, 3072, "ptys"},
        {{.memory_bytes = 24000 * MIB, .pids = 32768, .ptys = 3072, .namespaces = 50}, 50, "namespaces"},
        // What a host does not say bounds nothing.
        {{.memory_bytes = 300 * MIB, .pids = -1, .ptys = -1, .namespaces = -1}, 100, "memory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *bound;
        assert_int_equal(capacity_containers(&cases[i].limits, &bound), cases[i].containers);
        assert_string_equal(bound, cases[i].bound);
    }
    assert_int_equal(capacity_vms(&(capacity_limits){.memory_bytes = 1000 * MIB}), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_meminfo),
        cmocka_unit_test(says_what_runs_out_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
