// The table of the specification's properties: what is refused, what is only told, and where.
#include "runtime/config_fields.h"
#include "runtime/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// Checks the text as an object at `path`; the error's text, or "". `told` (may be NULL) gets the warnings.
static const char *check(const char *text, const char *path, const char *kind, char *told, size_t size) {
    static bh_error err;
    char log[] = "/tmp/config_fields_test.XXXXXX";
    int fd = mkstemp(log);
    assert_true(fd >= 0);
    err = (bh_error){0};
    json_t *document = json_loads(text, 0, NULL);
    json_place at = {.object = document};
    snprintf(at.path, sizeof at.path, "%s", path);
    log_to(log, false);
    int result = config_check_fields(&at, kind, &err);
    log_to(NULL, false);
    assert_int_equal(result < 0, err.message[0] != '\0');
    if (told) {
        ssize_t length = read(fd, told, size - 1);
        told[length > 0 ? length : 0] = '\0';
    }
    close(fd);
    unlink(log);
    json_decref(document);
    return err.message;
}

static void what_is_refused_has_its_path_and_reason(void **state) {
    (void)state;
    assert_string_equal(check("{\"linux\":{\"intelRdt\":{\"closID\":\"a\"}}}", "", "", NULL, 0),
                        "linux.intelRdt is not supported: cache and memory bandwidth are not divided here");
    assert_string_equal(
        check("{\"blockIO\":{\"weightDevice\":[{\"weight\":10},{\"leafWeight\":10}]}}", "resources", "linux.resources",
              NULL, 0),
        "resources.blockIO.weightDevice[1].leafWeight is not supported: it was for CFQ, which left Linux "
        "in 5.0");
    assert_string_equal(check("{\"windows\":null,\"vm\":{},\"zos\":\"\",\"solaris\":[]}", "", "", NULL, 0), "");
}

static void what_nobody_knows_is_told_and_stops_nothing(void **state) {
    (void)state;
    char told[1024];
    const char *text =
        "{\"colour\":1,\"mounts\":[{\"destination\":\"/a\",\"depth\":2}],\"annotations\":{\"any.key\":\"x\"},"
        "\"linux\":{\"resources\":{\"rdma\":{\"any_device\":{\"hcaHandles\":1,\"hca\":2}}}}}";
    assert_string_equal(check(text, "", "", told, sizeof told), "");
    static const char *const paths[] = {"colour is ignored", "mounts[0].depth is ignored",
                                        "linux.resources.rdma.any_device.hca is ignored"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_non_null(strstr(told, paths[i]));
    assert_null(strstr(told, "any.key"));
    assert_null(strstr(told, "destination"));
}

static void a_name_as_long_as_one_likes_is_only_unknown(void **state) {
    (void)state;
    char text[4000], name[3500], told[1024];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(text, sizeof text, "{\"linux\":{\"%s\":{\"%.200s\":1}}}", name, name);
    assert_string_equal(check(text, "", "", told, sizeof told), "");
    assert_non_null(strstr(told, "linux.xxx"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused_has_its_path_and_reason),
        cmocka_unit_test(what_nobody_knows_is_told_and_stops_nothing),
        cmocka_unit_test(a_name_as_long_as_one_likes_is_only_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
