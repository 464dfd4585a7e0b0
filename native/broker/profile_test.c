// Profiles: what a container may do is exactly what its profile says.
#include "broker/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static json_t *labelled_config_of(const char *profile, int cgroup_version, const char *label) {
    profile_spec spec = {
        .profile = profile,
        .hostname = "box",
        .rootfs = "/images/base/rootfs",
        .cgroup = "bulkhead/ab12",
        .cgroup_version = cgroup_version,
        .limits = {.memory_bytes = 1 << 28, .cpu_millis = 500, .pids = 128, .disk_bytes = 1 << 26},
        .label = label,
        .first_id = 0x50010000,
    };
    bh_error err;
    json_t *config = profile_config(&spec, &err);
    assert_non_null(config);
    return config;
}

static json_t *config_of(const char *profile, int cgroup_version) {
    return labelled_config_of(profile, cgroup_version, "");
}

// The value at a path of keys separated by dots.
static json_t *at(json_t *value, const char *path) {
    char key[64];
    while (value && *path) {
        size_t length = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        value = json_object_get(value, key);
        path += length + (path[length] == '.');
    }
    return value;
}

static bool has(json_t *list, const char *text) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        const char *said = json_is_string(item) ? json_string_value(item) : NULL;
        if (json_is_object(item))
            said = json_string_value(json_object_get(item, json_object_get(item, "type") ? "type" : "destination"));
        if (said && strcmp(said, text) == 0)
            return true;
    }
    return false;
}

static json_t *mount_at(json_t *config, const char *destination) {
    size_t i;
    json_t *item;
    json_array_foreach(at(config, "mounts"), i, item) {
        if (strcmp(json_string_value(json_object_get(item, "destination")), destination) == 0)
            return item;
    }
    return NULL;
}

static void hardened_has_no_power_at_all(void **state) {
    (void)state;
    static const char *const sets[] = {"bounding", "effective", "permitted", "inheritable", "ambient"};
    json_t *config = config_of("hardened", 2);
    for (size_t i = 0; i < 5; i++) {
        json_t *set = json_object_get(at(config, "process.capabilities"), sets[i]);
        assert_true(json_is_array(set));
        assert_int_equal(json_array_size(set), 0);
    }
    assert_true(json_is_true(at(config, "process.noNewPrivileges")));
    assert_true(has(at(config, "linux.maskedPaths"), "/proc/kcore"));
    assert_true(has(at(config, "linux.readonlyPaths"), "/proc/sys"));
    assert_true(json_is_object(at(config, "linux.seccomp")));
    assert_true(has(at(mount_at(config, "/sys"), "options"), "ro"));
    assert_true(has(at(mount_at(config, "/sys/fs/cgroup"), "options"), "ro"));
    json_decref(config);
}

static void both_profiles_have_every_namespace_and_ids_of_their_own(void **state) {
    (void)state;
    static const char *const types[] = {"user", "mount", "pid", "network", "ipc", "uts", "cgroup", "time"};
    static const char *const profiles[] = {"hardened", "nested"};
    for (size_t p = 0; p < 2; p++) {
        json_t *config = config_of(profiles[p], 1);
        for (size_t i = 0; i < 8; i++)
            assert_true(has(at(config, "linux.namespaces"), types[i]));
        json_t *map = json_array_get(at(config, "linux.uidMappings"), 0);
        assert_int_equal(json_integer_value(json_object_get(map, "hostID")), 0x50010000);
        assert_int_equal(json_integer_value(json_object_get(map, "containerID")), 0);
        assert_int_equal(json_integer_value(json_object_get(map, "size")), 65536);
        assert_true(json_equal(at(config, "linux.gidMappings"), at(config, "linux.uidMappings")));
        assert_null(mount_at(config, "/sys/fs/cgroup")); // v1
        json_decref(config);
    }
}

static void nested_is_root_of_its_own_namespace(void **state) {
    (void)state;
    json_t *config = config_of("nested", 2);
    json_t *effective = at(config, "process.capabilities.effective");
    assert_true(has(effective, "CAP_SYS_ADMIN") && has(effective, "CAP_SETGID"));
    assert_int_equal(json_array_size(effective), 41);
    assert_null(at(config, "linux.maskedPaths"));
    assert_true(has(at(mount_at(config, "/sys/fs/cgroup"), "options"), "rw"));
    json_t *hardened = config_of("hardened", 2);
    assert_false(json_equal(at(config, "linux.seccomp"), at(hardened, "linux.seccomp")));
    json_decref(hardened);
    json_decref(config);
}

static void limits_reach_the_kernel_in_its_units(void **state) {
    (void)state;
    json_t *config = config_of("hardened", 1);
    assert_int_equal(json_integer_value(at(config, "linux.resources.memory.limit")), 1 << 28);
    assert_int_equal(json_integer_value(at(config, "linux.resources.pids.limit")), 128);
    assert_int_equal(json_integer_value(at(config, "linux.resources.cpu.quota")), 50000);
    assert_int_equal(json_integer_value(at(config, "linux.resources.cpu.period")), 100000);
    json_t *annotations = at(config, "annotations"); // its keys have dots in them
    assert_string_equal(json_string_value(json_object_get(annotations, "dev.bulkhead.overlay.size")), "67108864");
    assert_string_equal(json_string_value(json_object_get(annotations, "dev.bulkhead.overlay.inodes")), "16384");
    json_decref(config);
}

static void no_device_can_be_made(void **state) {
    (void)state;
    json_t *config = config_of("nested", 1);
    size_t i;
    json_t *rule;
    json_array_foreach(at(config, "linux.resources.devices"), i, rule) {
        const char *access = json_string_value(json_object_get(rule, "access"));
        if (i == 0)
            assert_false(json_is_true(json_object_get(rule, "allow")));
        else
            assert_null(strchr(access, 'm'));
    }
    assert_true(i > 1);
    json_decref(config);
}

static void labels_are_given_where_the_host_has_them(void **state) {
    (void)state;
    json_t *plain = config_of("hardened", 2);
    assert_null(at(plain, "process.selinuxLabel"));
    assert_null(at(plain, "linux.mountLabel"));
    json_decref(plain);
    json_t *config = labelled_config_of("nested", 2, "system_u:system_r:container_engine_t:s0:c12,c900");
    assert_string_equal(json_string_value(at(config, "process.selinuxLabel")),
                        "system_u:system_r:container_engine_t:s0:c12,c900");
    // Files have the categories of the process, and a type of their own.
    assert_string_equal(json_string_value(at(config, "linux.mountLabel")),
                        "system_u:object_r:container_file_t:s0:c12,c900");
    json_decref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_given_where_the_host_has_them),
        cmocka_unit_test(hardened_has_no_power_at_all),
        cmocka_unit_test(both_profiles_have_every_namespace_and_ids_of_their_own),
        cmocka_unit_test(nested_is_root_of_its_own_namespace),
        cmocka_unit_test(limits_reach_the_kernel_in_its_units),
        cmocka_unit_test(no_device_can_be_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
