// Where control groups are found in mountinfo, and a real group's life on this host where the test is root.
#include "base/cgroup.h"
#include "base/cgroup_backend.h"
#include "base/cgroup_meter.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static FILE *text_file(const char *text) {
    FILE *file = fmemopen((void *)text, strlen(text), "r");
    assert_non_null(file);
    return file;
}

static bool is_in_sight(const char *mount, uint32_t magic) {
    (void)magic;
    return strncmp(mount, "/hidden", 7) != 0;
}

static const char v1_mounts[] = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
                                "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:7 - cgroup cgroup rw,cpu,cpuacct\n"
                                "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
                                "36 31 0:32 / /mnt/memory-again rw,relatime - cgroup cgroup rw,memory\n"
                                "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
                                "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

static void v1_hierarchies_are_found_once_each(void **state) {
    (void)state;
    cgroup1_hierarchy found[CGROUP1_MAX_HIERARCHIES];
    FILE *file = text_file(v1_mounts);
    assert_int_equal(cgroup1_parse_mounts(file, is_in_sight, found), 2);
    assert_string_equal(found[0].mount, "/sys/fs/cgroup/cpu,cpuacct");
    assert_string_equal(found[1].mount, "/sys/fs/cgroup/memory");
    fclose(file);
}

static void an_empty_v2_tree_beside_v1_does_not_make_a_v2_host(void **state) {
    (void)state;
    char mount[128];
    FILE *file = text_file(v1_mounts);
    assert_false(cgroup2_parse_mounts(file, is_in_sight, true, mount, sizeof mount));
    rewind(file);
    assert_true(cgroup2_parse_mounts(file, is_in_sight, false, mount, sizeof mount));
    assert_string_equal(mount, "/sys/fs/cgroup/unified");
    fclose(file);
}

// Another mount lies over them; their paths lead to plain files.
static void mounts_that_are_covered_are_not_used(void **state) {
    (void)state;
    static const char text[] = "35 31 0:32 / /hidden/memory rw,relatime - cgroup cgroup rw,memory\n"
                               "36 31 0:33 / /hidden/unified rw,relatime - cgroup2 cgroup2 rw\n"
                               "37 31 0:33 / /mnt/unified rw,relatime - cgroup2 cgroup2 rw\n";
    cgroup1_hierarchy found[CGROUP1_MAX_HIERARCHIES];
    char mount[128];
    FILE *file = text_file(text);
    assert_int_equal(cgroup1_parse_mounts(file, is_in_sight, found), 0);
    rewind(file);
    assert_true(cgroup2_parse_mounts(file, is_in_sight, true, mount, sizeof mount));
    assert_string_equal(mount, "/mnt/unified");
    fclose(file);
}

static void numbers_are_found_by_their_whole_key(void **state) {
    (void)state;
    static const char text[] = "populated 1\noom 3\noom_kill 7\nlimit max\n";
    assert_int_equal(cgroup_find_number(text, "oom_kill"), 7);
    assert_int_equal(cgroup_find_number(text, "oom"), 3);
    assert_int_equal(cgroup_find_number(text, "populated"), 1);
    assert_int_equal(cgroup_find_number(text, "pop"), -1);
    assert_int_equal(cgroup_find_number(text, "limit"), -1);
    assert_int_equal(cgroup_find_number("4096\n", NULL), 4096);
    assert_int_equal(cgroup_find_number("max\n", NULL), -1);
    assert_int_equal(cgroup_find_number("", "oom"), -1);
}

static void a_limit_is_named_by_its_field_where_there_is_one(void **state) {
    (void)state;
    bh_error err = {0};
    cgroup_limits limits = CGROUP_NO_LIMITS;
    bh_fail(&err, 0, "no pids.max");
    assert_int_equal(cgroup_limit_failed(&limits, "pids.limit", &err), -1);
    assert_string_equal(err.message, "pids.limit: no pids.max");
    strcpy(limits.origin, "linux.resources");
    bh_fail(&err, 0, "no pids.max");
    cgroup_limit_failed(&limits, "pids.limit", &err);
    assert_string_equal(err.message, "linux.resources.pids.limit: no pids.max");
}

static void a_unified_host_is_v2(void **state) {
    (void)state;
    char mount[128];
    FILE *file = text_file("28 22 0:24 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
                           "29 22 0:25 / /opt/vpn/net_cls rw - cgroup net_cls rw,net_cls\n"
                           "30 22 0:26 / /run/systemd rw - cgroup cgroup rw,xattr,name=systemd\n");
    assert_true(cgroup2_parse_mounts(file, is_in_sight, true, mount, sizeof mount));
    assert_string_equal(mount, "/sys/fs/cgroup");
    fclose(file);
}

static void paths_that_lead_elsewhere_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"", "/", "..", "a/../b", "a//b", "a/", "./a", "a/."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bh_error err = {0};
        assert_int_equal(cgroup_delete(bad[i], &err), -1);
        assert_int_equal(err.code, EINVAL);
    }
}

static void a_group_is_made_joined_emptied_and_removed(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    char path[64];
    snprintf(path, sizeof path, "bulkhead-test-%d/one", getpid());
    bh_error err = {0};
    cgroup_limits limits = CGROUP_NO_LIMITS;
    limits.memory_bytes = 64 << 20;
    limits.pids = 10;
    limits.cpu_quota_us = 50000;
    assert_int_equal(cgroup_create(path, &limits, &err), 0);

    // The child tells when it is in all hierarchies: it joins one after the other.
    int joined[2];
    assert_int_equal(pipe(joined), 0);
    pid_t child = fork();
    if (child == 0) {
        if (cgroup_join_self(path, &err) < 0 || write(joined[1], "", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    char told;
    close(joined[1]);
    assert_int_equal(read(joined[0], &told, 1), 1);
    close(joined[0]);
    pid_t *pids = NULL;
    assert_int_equal(cgroup_read_pids(path, &pids, &err), 1);
    assert_int_equal(pids[0], child);
    free(pids);

    cgroup_usage usage;
    assert_int_equal(cgroup_read_usage(path, &usage, &err), 0);
    assert_int_equal(usage.pids, 1);
    assert_true(usage.memory_bytes >= 0 && usage.memory_bytes < limits.memory_bytes);

    assert_int_equal(cgroup_freeze(path, true, &err), 0);
    assert_int_equal(cgroup_freeze(path, false, &err), 0);
    assert_int_equal(cgroup_kill_all(path, 2000, &err), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    *strrchr(path, '/') = '\0'; // the parent, and with it the group below
    assert_int_equal(cgroup_delete(path, &err), 0);
    assert_int_equal(cgroup_delete(path, &err), 0);
    assert_int_equal(cgroup_read_usage(path, &usage, &err), -1);
}

static bool has_v2_tree(void) {
    char mount[128];
    FILE *file = fopen("/proc/self/mountinfo", "re");
    bool found = file && cgroup2_parse_mounts(file, cgroup_mount_is_visible, false, mount, sizeof mount);
    if (file)
        fclose(file);
    return found;
}

// Works on a v1 host too where a v2 tree is mounted beside: the backend is asked by name.
static void v2_device_rules_let_through_what_they_list(void **state) {
    (void)state;
    if (geteuid() != 0 || !has_v2_tree())
        skip();
    static const cgroup_device rules[] = {
        {.allow = false, .type = 'a', .major = -1, .minor = -1, .access = "rwm"},
        {.allow = true, .type = 'c', .major = 1, .minor = -1, .access = "rw"},
        {.allow = false, .type = 'c', .major = 1, .minor = 5, .access = "w"},
    };
    char path[64];
    snprintf(path, sizeof path, "bulkhead-test-%d-v2", getpid());
    bh_error err = {0};
    assert_int_equal(cgroup2_backend.create(path, &err), 0);
    int result = cgroup2_backend.allow_devices(path, rules, 3, &err);
    pid_t child = fork();
    if (child == 0) {
        if (result < 0 || cgroup2_backend.join_self(path, &err) < 0)
            _exit(1);
        bool right = open("/dev/null", O_RDWR) >= 0 && open("/dev/zero", O_RDONLY) >= 0 &&
                     open("/dev/zero", O_RDWR) < 0 && errno == EPERM && open("/dev/ptmx", O_RDWR) < 0 && errno == EPERM;
        _exit(right ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(cgroup2_backend.remove(path, &err), 0);
    assert_int_equal(status, 0);
}

// Neither looks again and again: the kernel tells.
static void v2_tells_when_a_group_is_empty(void **state) {
    (void)state;
    if (geteuid() != 0 || !has_v2_tree())
        skip();
    char path[64], directories[1][CGROUP_DIRECTORY_SIZE];
    snprintf(path, sizeof path, "bulkhead-test-%d-events", getpid());
    bh_error err = {0};
    assert_int_equal(cgroup2_backend.create(path, &err), 0);
    assert_int_equal(cgroup2_backend.directories(path, directories), 1);
    pid_t child = fork();
    if (child == 0) {
        if (cgroup2_backend.join_self(path, &err) == 0)
            pause();
        _exit(1);
    }
    assert_true(cgroup2_await(directories[0], "populated", 1, 5000));
    assert_false(cgroup2_await(directories[0], "populated", 0, 1));
    assert_int_equal(cgroup2_backend.signal(path, SIGKILL, &err), 0);
    assert_true(cgroup2_await(directories[0], "populated", 0, 5000));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(cgroup2_backend.remove(path, &err), 0);
    assert_false(cgroup2_await(directories[0], "populated", 0, 1)); // gone, and nobody waits for it
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_hierarchies_are_found_once_each),
        cmocka_unit_test(an_empty_v2_tree_beside_v1_does_not_make_a_v2_host),
        cmocka_unit_test(mounts_that_are_covered_are_not_used),
        cmocka_unit_test(a_unified_host_is_v2),
        cmocka_unit_test(numbers_are_found_by_their_whole_key),
        cmocka_unit_test(a_limit_is_named_by_its_field_where_there_is_one),
        cmocka_unit_test(paths_that_lead_elsewhere_are_refused),
        cmocka_unit_test(a_group_is_made_joined_emptied_and_removed),
        cmocka_unit_test(v2_device_rules_let_through_what_they_list),
        cmocka_unit_test(v2_tells_when_a_group_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
