// Hooks: what is checked before anything is made, what they are told, and how they end.
#include "runtime/hooks.h"

#include "base/cleanup.h"
#include "runtime/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int check(const char *text, bh_error *err) {
    cleanup_json json_t *hooks = json_loads(text, 0, NULL);
    assert_non_null(hooks);
    json_place at = {.object = hooks, .path = "hooks"};
    return hooks_check(&at, err);
}

static void a_mistake_is_found_before_anything_runs(void **state) {
    (void)state;
    bh_error err;
    assert_int_equal(check("{}", &err), 0);
    assert_int_equal(check("{\"poststop\": [{\"path\": \"/bin/x\", \"args\": [\"x\"], \"timeout\": 3}]}", &err), 0);
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"{\"prestart\": [{\"path\": \"bin/x\"}]}", "hooks.prestart[0].path"},
        {"{\"poststart\": [{}]}", "hooks.poststart[0].path"},
        {"{\"createRuntime\": [{\"path\": \"/x\"}, {\"path\": \"/x\", \"timeout\": 0}]}",
         "hooks.createRuntime[1].timeout"},
        {"{\"startContainer\": {\"path\": \"/x\"}}", "hooks.startContainer"},
        {"{\"createContainer\": [{\"path\": \"/x\", \"env\": \"A=1\"}]}", "hooks.createContainer[0].env"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(check(cases[i].text, &err) < 0);
        assert_non_null(strstr(err.message, cases[i].said));
    }
}

static void a_hook_is_told_the_state_as_the_specification_has_it(void **state) {
    (void)state;
    cleanup_json json_t *annotations = json_pack("{s:s}", "a", "b");
    hook_subject subject = {"box", "/bundle", 42, annotations};
    cleanup_json json_t *told = hooks_state(&subject, "created");
    cleanup_json json_t *expected =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:s}, s:i}", "ociVersion", OCI_VERSION, "id", "box", "status", "created",
                  "bundle", "/bundle", "annotations", "a", "b", "pid", 42);
    assert_true(json_equal(told, expected));
    subject.pid = 0; // after its end there is none
    cleanup_json json_t *stopped = hooks_state(&subject, "stopped");
    assert_null(json_object_get(stopped, "pid"));
}

static int run(const char *text, bh_error *err) {
    cleanup_json json_t *hooks = json_loads(text, 0, NULL);
    assert_non_null(hooks);
    hook_subject subject = {"box", "/", getpid(), NULL};
    return hooks_run(hooks, HOOK_PRESTART, &subject, NULL, err);
}

static void a_failure_says_which_hook_and_how(void **state) {
    (void)state;
    bh_error err = {0};
    assert_int_equal(run("{\"prestart\": [{\"path\": \"/bin/true\"}]}", &err), 0);
    // It reads its state, or not, as it likes.
    assert_int_equal(
        run("{\"prestart\": [{\"path\": \"/bin/grep\", \"args\": [\"grep\", \"-q\", \"\\\"id\\\":\\\"box\"]}]}", &err),
        0);
    assert_true(run("{\"prestart\": [{\"path\": \"/bin/true\"}, {\"path\": \"/bin/false\"}]}", &err) < 0);
    assert_string_equal(err.message, "hooks.prestart[1] /bin/false: ended with status 1");
    assert_true(run("{\"prestart\": [{\"path\": \"/no/such\"}]}", &err) < 0);
    assert_non_null(strstr(err.message, "hooks.prestart[0] /no/such: cannot run it: No such file"));
    assert_true(
        run("{\"prestart\": [{\"path\": \"/bin/sleep\", \"args\": [\"sleep\", \"60\"], \"timeout\": 1}]}", &err) < 0);
    assert_non_null(strstr(err.message, "still ran after its timeout of 1 s"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_is_found_before_anything_runs),
        cmocka_unit_test(a_hook_is_told_the_state_as_the_specification_has_it),
        cmocka_unit_test(a_failure_says_which_hook_and_how),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
