// Labels: which file systems take them how, and that one which cannot be had is refused.
#include "base/selinux.h"
#include "runtime/selinux_label.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES "system_u:object_r:container_file_t:s0:c12,c900"
#define PROCESSES "system_u:system_r:container_t:s0:c12,c900"

static void parse(config *c, const char *labels) {
    char text[1024];
    bh_error err = {0};
    snprintf(text, sizeof text,
             "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"/\"},\"process\":{\"args\":[\"sh\"],\"cwd\":\"/"
             "\",\"selinuxLabel\":"
             "\"%s\"},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}],\"mountLabel\":\"%s\"}}",
             *labels ? PROCESSES : "", *labels ? labels : "");
    assert_int_equal(config_parse(c, text, strlen(text), &err), 0);
}

// What is added to the options of a new mount of this type; NULL if nothing is.
static const char *added(const config *c, const char *type, const char *const *options) {
    static mount_options parsed;
    mount_config m = {.type = type, .path = "mounts[0]"};
    bh_error err = {0};
    assert_int_equal(mount_options_parse(options, m.path, &parsed, &err), 0);
    size_t before = 0;
    while (parsed.data[before])
        before++;
    assert_int_equal(label_mount_options(c, &m, &parsed, &err), 0);
    return parsed.data[before];
}

static void new_file_systems_are_labelled_by_an_option_but_those_that_know_better(void **state) {
    (void)state;
    static const char *const with[] = {"tmpfs", "devpts", "overlay", "ramfs", "ext4"};
    static const char *const without[] = {"proc", "sysfs", "cgroup", "cgroup2", "mqueue"};
    config c = {0};
    parse(&c, FILES);
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        assert_string_equal(added(&c, with[i], (const char *[]){"nosuid", "size=1m", NULL}), "context=" FILES);
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        assert_null(added(&c, without[i], NULL));
    config_free(&c);
}

static void a_bind_a_remount_and_a_mount_with_a_label_of_its_own_are_left_alone(void **state) {
    (void)state;
    config c = {0};
    parse(&c, FILES);
    assert_null(added(&c, "none", (const char *[]){"rbind", NULL}));
    assert_null(added(&c, "tmpfs", (const char *[]){"remount", "ro", NULL}));
    assert_null(added(&c, "tmpfs", (const char *[]){"context=system_u:object_r:tmpfs_t:s0", NULL}));
    config_free(&c);
}

static void an_empty_label_is_none(void **state) {
    (void)state;
    config c = {0};
    bh_error err = {0};
    parse(&c, "");
    assert_null(c.process.selinux_label);
    assert_null(c.mount_label);
    assert_null(added(&c, "tmpfs", NULL));
    assert_int_equal(label_check(&c, &c.process, &err), 0);
    config_free(&c);
}

static void a_label_that_cannot_be_had_is_refused_with_its_field(void **state) {
    (void)state;
    config c = {0};
    bh_error err = {0};
    parse(&c, FILES);
    process_config unlabelled = {0}, nonsense = {.selinux_label = "no:such:label"};
    assert_int_equal(label_check(&c, &nonsense, &err), -1);
    assert_non_null(strstr(err.message, "process.selinuxLabel"));
    if (selinux_current_mode() == SELINUX_OFF) {
        assert_int_equal(label_check(&c, &unlabelled, &err), -1);
        assert_non_null(strstr(err.message, "linux.mountLabel is \"" FILES "\", but this host has no SELinux"));
    }
    config_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_file_systems_are_labelled_by_an_option_but_those_that_know_better),
        cmocka_unit_test(a_bind_a_remount_and_a_mount_with_a_label_of_its_own_are_left_alone),
        cmocka_unit_test(an_empty_label_is_none),
        cmocka_unit_test(a_label_that_cannot_be_had_is_refused_with_its_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
