// linux.resources as lines for the files of a cgroup, for both versions of cgroups whatever this host has.
#include "runtime/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

// "file=value;…" of all settings; the error's text where there is one.
static const char *lines(const char *resources, int64_t limit, int version) {
    static char text[2048];
    bh_error err = {0};
    config c = {.limits.memory_bytes = limit};
    json_place at = {.object = json_loads(resources, 0, NULL), .path = "linux.resources"};
    assert_non_null(at.object);
    text[0] = '\0';
    if (config_parse_settings(&c, &at, version, &err) < 0)
        snprintf(text, sizeof text, "%s", err.message);
    for (size_t i = 0; i < c.setting_count && !err.message[0]; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s=%s;", c.settings[i].file, c.settings[i].value);
    json_decref(at.object);
    config_free(&c);
    return text;
}

static void memory_is_written_as_each_version_counts_it(void **state) {
    (void)state;
    const char *text = "{\"memory\":{\"reservation\":500,\"swap\":3000}}";
    assert_string_equal(lines(text, 1000, 1), "memory.memsw.limit_in_bytes=3000;memory.soft_limit_in_bytes=500;");
    assert_string_equal(lines(text, 1000, 2), "memory.swap.max=2000;memory.low=500;");
    assert_string_equal(lines("{\"memory\":{\"swap\":-1}}", 1000, 1), "memory.memsw.limit_in_bytes=-1;");
    assert_string_equal(lines("{\"memory\":{\"swap\":-1}}", 1000, 2), "memory.swap.max=max;");
    assert_string_equal(lines("{\"memory\":{\"swap\":1000}}", 1000, 2), "");
    assert_string_equal(lines("{\"memory\":{\"swap\":1000}}", -1, 2),
                        "linux.resources.memory.swap needs a limit, and may not be less");
}

static void what_v2_has_not_is_refused_there(void **state) {
    (void)state;
    assert_string_equal(lines("{\"memory\":{\"swappiness\":5,\"disableOOMKiller\":true}}", -1, 1),
                        "memory.oom_control=1;memory.swappiness=5;");
    assert_string_equal(lines("{\"memory\":{\"swappiness\":5}}", -1, 2),
                        "linux.resources.memory.swappiness is not supported on cgroup v2: the kernel has nothing of "
                        "the kind");
    assert_string_equal(lines("{\"cpu\":{\"realtimeRuntime\":5,\"realtimePeriod\":9}}", -1, 1),
                        "cpu.rt_period_us=9;cpu.rt_runtime_us=5;");
}

static void cpus_are_a_list(void **state) {
    (void)state;
    assert_string_equal(lines("{\"cpu\":{\"cpus\":\"0-3,7\",\"mems\":\"0\",\"burst\":9,\"idle\":1}}", -1, 2),
                        "cpu.max.burst=9;cpu.idle=1;cpuset.cpus=0-3,7;cpuset.mems=0;");
    assert_string_equal(lines("{\"cpu\":{\"cpus\":\"0\\n1\"}}", -1, 1),
                        "linux.resources.cpu.cpus is \"0\n1\"; it must be a list such as 0-3,7");
}

static void disks_are_throttled_by_number(void **state) {
    (void)state;
    const char *text = "{\"blockIO\":{\"weight\":505,\"weightDevice\":[{\"major\":8,\"minor\":1,\"weight\":10}],"
                       "\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1024}],"
                       "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":7}]}}";
    assert_string_equal(lines(text, -1, 1),
                        "blkio.bfq.weight=default 505;blkio.bfq.weight_device=8:1 10;"
                        "blkio.throttle.read_bps_device=8:0 1024;blkio.throttle.write_iops_device=8:0 7;");
    assert_string_equal(lines(text, -1, 2),
                        "io.weight=default 5000;io.weight=8:1 1;io.max=8:0 rbps=1024;io.max=8:0 wiops=7;");
    assert_string_equal(lines("{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"rate\":1}]}}", -1, 1),
                        "linux.resources.blockIO.throttleReadBpsDevice[0] needs major, minor and rate");
}

static void unified_names_files_of_v2_and_nothing_else(void **state) {
    (void)state;
    assert_string_equal(lines("{\"unified\":{\"memory.high\":\"1000\",\"io.max\":\"8:0 rbps=9\"}}", -1, 2),
                        "memory.high=1000;io.max=8:0 rbps=9;");
    assert_string_equal(lines("{\"unified\":{\"memory.high\":\"1\"}}", -1, 1),
                        "linux.resources.unified needs a host with cgroup v2");
    static const char *const bad[] = {"cgroup.procs", "../memory.max", "tasks", "cgroup.type", ".", ".."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"unified\":{\"%s\":\"1\"}}", bad[i]);
        assert_non_null(strstr(lines(text, -1, 2), "is not the name of a controller's file"));
    }
}

static void huge_pages_networks_and_rdma_are_lines_too(void **state) {
    (void)state;
    const char *pages =
        "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304},{\"pageSize\":\"1GB\",\"limit\":0}]}";
    assert_string_equal(lines(pages, -1, 1),
                        "hugetlb.2MB.rsvd.limit_in_bytes=4194304;hugetlb.1GB.rsvd.limit_in_bytes=0;");
    assert_string_equal(lines(pages, -1, 2), "hugetlb.2MB.rsvd.max=4194304;hugetlb.1GB.rsvd.max=0;");
    static const char *const sizes[] = {"../x", "2M", "MB", "2MBB", ""};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"hugepageLimits\":[{\"pageSize\":\"%s\",\"limit\":1}]}", sizes[i]);
        assert_string_equal(lines(text, -1, 1),
                            "linux.resources.hugepageLimits[0] needs a pageSize such as 2MB, and a limit");
    }
    const char *network = "{\"network\":{\"classID\":1048577,\"priorities\":[{\"name\":\"lo\",\"priority\":5}]}}";
    assert_string_equal(lines(network, -1, 1), "net_cls.classid=1048577;net_prio.ifpriomap=lo 5;");
    assert_string_equal(lines(network, -1, 2),
                        "linux.resources.network is not supported on cgroup v2: the kernel has nothing of the kind");
    const char *rdma = "{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000}}}";
    for (int version = 1; version <= 2; version++)
        assert_string_equal(lines(rdma, -1, version), "rdma.max=mlx5_1 hca_handle=3 hca_object=10000;");
    assert_string_equal(lines("{\"rdma\":{\"mlx5_1\":{}}}", -1, 2),
                        "linux.resources.rdma.mlx5_1 needs hcaHandles or hcaObjects");
    assert_string_equal(lines("{\"memory\":{\"kernelTCP\":5}}", -1, 1), "memory.kmem.tcp.limit_in_bytes=5;");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_written_as_each_version_counts_it),
        cmocka_unit_test(what_v2_has_not_is_refused_there),
        cmocka_unit_test(cpus_are_a_list),
        cmocka_unit_test(disks_are_throttled_by_number),
        cmocka_unit_test(huge_pages_networks_and_rdma_are_lines_too),
        cmocka_unit_test(unified_names_files_of_v2_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
