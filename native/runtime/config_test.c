// config.json: what is read, and what is refused with which words.
#include "runtime/capabilities.h"
#include "runtime/config.h"
#include "runtime/namespaces.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
#define PROCESS "\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},"
#define LINUX(more) "\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]" more "}}"

// Parses, and gives back the error's text; "" when all is well.
static const char *problem(const char *text) {
    static bh_error err;
    config c;
    err = (bh_error){0};
    int result = config_parse(&c, text, strlen(text), &err);
    config_free(&c);
    assert_int_equal(result < 0, err.message[0] != '\0');
    return err.message;
}

static void a_minimal_document_is_read(void **state) {
    (void)state;
    const char *text = HEAD PROCESS LINUX("");
    config c;
    bh_error err = {0};
    assert_int_equal(config_parse(&c, text, strlen(text), &err), 0);
    assert_string_equal(c.root_path, "rootfs");
    assert_string_equal(c.process.args[0], "sh");
    assert_null(c.process.args[1]);
    assert_int_equal(c.namespaces, CLONE_NEWNS);
    assert_int_equal(c.limits.memory_bytes, -1);
    assert_int_equal(c.overlay_size, -1);
    assert_false(c.setgroups); // nobody in there may need it
    config_free(&c);
}

static void a_full_document_is_read(void **state) {
    (void)state;
    const char *text =
        HEAD "\"hostname\":\"box\",\"annotations\":{\"dev.bulkhead.overlay.size\":\"1048576\"},"
             "\"process\":{\"args\":[\"a\",\"b\"],\"cwd\":\"/root\",\"env\":[\"A=1\"],\"noNewPrivileges\":true,"
             "\"user\":{\"uid\":5,\"gid\":6,\"umask\":63,\"additionalGids\":[7,8]},\"oomScoreAdj\":-5,"
             "\"consoleSize\":{\"width\":80,\"height\":24},"
             "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":10,\"hard\":20}],"
             "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_SETGID\"],\"ambient\":[\"CAP_CHOWN\"]}},"
             "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"},{\"type\":\"uts\"},"
             "{\"type\":\"network\",\"path\":\"/run/net\"}],"
             "\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"
             "\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":65536}],\"cgroupsPath\":\"a/b\","
             "\"resources\":{\"memory\":{\"limit\":1000000},\"pids\":{\"limit\":7},"
             "\"cpu\":{\"shares\":1024,\"quota\":1000,\"period\":10000},"
             "\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
             "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rw\"}]}}}";
    config c;
    bh_error err = {0};
    assert_int_equal(config_parse(&c, text, strlen(text), &err), 0);
    assert_int_equal(c.overlay_size, 1048576);
    assert_int_equal(c.process.umask, 077);
    assert_int_equal(c.process.groups[1], 8);
    assert_int_equal(c.process.rlimits[0].limit.rlim_max, 20);
    assert_int_equal(c.process.capabilities.bounding, 1u << 0 | 1u << 6);
    assert_int_equal(c.gid_maps[0].host_id, 200000);
    assert_int_equal(c.limits.cpu_weight, 39);
    assert_int_equal(c.device_rule_count, 10); // and the eight that every container needs
    assert_int_equal(c.device_rules[0].type, 'a');
    assert_string_equal(c.namespace_paths[namespace_kind("network")], "/run/net");
    assert_int_equal(namespaces_to_make(&c), CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWUTS);
    assert_true(c.setgroups);
    config_free(&c);
}

static void what_is_not_supported_is_refused_with_its_path(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {HEAD "\"vm\":{\"kernel\":{}}," PROCESS LINUX(""),
         "vm is not supported: machines that are VMs are the broker's"},
        {HEAD PROCESS LINUX(",\"intelRdt\":{\"closID\":\"x\"}"),
         "linux.intelRdt is not supported: cache and memory bandwidth are not divided here"},
        {HEAD "\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\",\"user\":{\"username\":\"x\"}}," LINUX(""),
         "process.user.username is not supported: it is not for Linux"},
        {HEAD PROCESS LINUX(",\"resources\":{\"memory\":{\"kernel\":5}}"),
         "linux.resources.memory.kernel is not supported: Linux has no such limit since 5.16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(problem(cases[i][0]), cases[i][1]);
}

static void only_who_is_limited_gets_a_cgroup_by_default(void **state) {
    (void)state;
    static const char *const documents[] = {
        HEAD PROCESS LINUX(""), HEAD PROCESS LINUX(",\"resources\":{\"pids\":{\"limit\":5}}"),
        HEAD PROCESS LINUX(",\"cgroupsPath\":\"a/b\",\"resources\":{\"pids\":{\"limit\":5}}")};
    static const char *const paths[] = {NULL, "bulkhead-containers/box", "a/b"};
    for (size_t i = 0; i < 3; i++) {
        config c;
        bh_error err = {0};
        assert_int_equal(config_parse(&c, documents[i], strlen(documents[i]), &err), 0);
        assert_int_equal(config_default_cgroup(&c, "box", &err), 0);
        if (paths[i])
            assert_string_equal(c.cgroup_path, paths[i]);
        else
            assert_null(c.cgroup_path);
        config_free(&c);
    }
}

static void an_empty_unsupported_field_says_nothing(void **state) {
    (void)state;
    assert_string_equal(
        problem(HEAD "\"hooks\":{}," PROCESS LINUX(",\"intelRdt\":null,\"memoryPolicy\":{},\"mountLabel\":\"\"")), "");
}

static void a_wrong_value_is_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "the document must be an object"},
        {HEAD "\"process\":{\"args\":[\"sh\",3],\"cwd\":\"/\"}," LINUX(""), "process.args[1] must be a string"},
        {HEAD "\"process\":{\"args\":[],\"cwd\":\"/\"}," LINUX(""), "process.args is empty"},
        {HEAD "\"process\":{\"args\":[\"sh\"],\"cwd\":\"root\"}," LINUX(""), "process.cwd must be an absolute path"},
        {HEAD PROCESS "\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}",
         "linux.namespaces must list mount: the container's root would be the host's"},
        {HEAD PROCESS "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"}]}}",
         "linux.uidMappings and linux.gidMappings are needed with a user namespace"},
        {HEAD PROCESS LINUX(",\"sysctl\":{\"kernel.core_pattern\":\"x\"}"),
         "linux.sysctl.kernel.core_pattern does not belong to a namespace of the container's own"},
        {HEAD "\"hooks\":{\"poststop\":[{\"path\":\"/x\"},{\"path\":\"x\"}]}," PROCESS LINUX(""),
         "hooks.poststop[1].path must be an absolute path"},
        {HEAD "\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"timeout\":0}]}," PROCESS LINUX(""),
         "hooks.prestart[0].timeout is 0; it must be from 1 to 86400"},
        {HEAD "\"annotations\":{\"dev.bulkhead.overlay.size\":\"1m\"}," PROCESS LINUX(""),
         "annotations.dev.bulkhead.overlay.size is \"1m\"; it must be a decimal number above 0"},
        {HEAD "\"mounts\":[{\"destination\":\"/a\",\"uidMappings\":[{}]}]," PROCESS LINUX(""),
         "mounts[0].uidMappings[0] needs containerID, hostID and size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(problem(cases[i][0]), cases[i][1]);
}

static void text_that_is_no_json_never_gets_further(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "{\"a\":1}x",
                                      "{\"ociVersion\":\"1.0\",\"ociVersion\":\"1.2\"}",
                                      "{\"ociVersion\":\"2.0\"}",
                                      "{\"ociVersion\":\"1.0.0\\u0000\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_string_not_equal(problem(bad[i]), "");
}

static void capabilities_are_numbered_as_the_kernel_does(void **state) {
    (void)state;
    assert_int_equal(capability_number("CAP_CHOWN"), 0);
    assert_int_equal(capability_number("CAP_SYS_ADMIN"), 21);
    assert_int_equal(capability_number("CAP_CHECKPOINT_RESTORE"), 40);
    assert_int_equal(capability_number("SYS_ADMIN"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minimal_document_is_read),
        cmocka_unit_test(a_full_document_is_read),
        cmocka_unit_test(what_is_not_supported_is_refused_with_its_path),
        cmocka_unit_test(only_who_is_limited_gets_a_cgroup_by_default),
        cmocka_unit_test(an_empty_unsupported_field_says_nothing),
        cmocka_unit_test(a_wrong_value_is_named),
        cmocka_unit_test(text_that_is_no_json_never_gets_further),
        cmocka_unit_test(capabilities_are_numbered_as_the_kernel_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
