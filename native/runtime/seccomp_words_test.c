// The words of linux.seccomp.
#include "runtime/seccomp_words.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void an_action_answers_with_its_number_or_eperm(void **state) {
    (void)state;
    bh_error err;
    uint32_t action;
    assert_int_equal(seccomp_read_action("SCMP_ACT_ERRNO", "at", -1, &action, &err), 0);
    assert_int_equal(action, SCMP_ACT_ERRNO(EPERM));
    assert_int_equal(seccomp_read_action("SCMP_ACT_ERRNO", "at", ENOSYS, &action, &err), 0);
    assert_int_equal(action, SCMP_ACT_ERRNO(ENOSYS));
    assert_int_equal(seccomp_read_action("SCMP_ACT_KILL", "at", -1, &action, &err), 0);
    assert_int_equal(action, SCMP_ACT_KILL_THREAD);
    // An allowed call has no answer of the profile's.
    assert_true(seccomp_read_action("SCMP_ACT_ALLOW", "linux.seccomp.syscalls[2]", 1, &action, &err) < 0);
    assert_non_null(strstr(err.message, "linux.seccomp.syscalls[2]: SCMP_ACT_ALLOW"));
    assert_true(seccomp_read_action("SCMP_ACT_ASK", "at", -1, &action, &err) < 0);
}

static void flags_are_added_up_and_unknown_words_are_refused(void **state) {
    (void)state;
    bh_error err;
    unsigned flags = 0;
    uint32_t token;
    enum scmp_compare compare;
    assert_int_equal(seccomp_read_flag("SECCOMP_FILTER_FLAG_LOG", "at", &flags, &err), 0);
    assert_int_equal(seccomp_read_flag("SECCOMP_FILTER_FLAG_SPEC_ALLOW", "at", &flags, &err), 0);
    // One thread: there is nothing to synchronise.
    assert_int_equal(seccomp_read_flag("SECCOMP_FILTER_FLAG_TSYNC", "at", &flags, &err), 0);
    assert_int_equal(flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    assert_true(seccomp_read_flag("SECCOMP_FILTER_FLAG_FAST", "at", &flags, &err) < 0);
    assert_int_equal(seccomp_read_architecture("SCMP_ARCH_X86", "at", &token, &err), 0);
    assert_int_equal(token, SCMP_ARCH_X86);
    assert_true(seccomp_read_architecture("X86", "at", &token, &err) < 0);
    assert_int_equal(seccomp_read_operator("SCMP_CMP_MASKED_EQ", "at", &compare, &err), 0);
    assert_int_equal(compare, SCMP_CMP_MASKED_EQ);
    assert_true(seccomp_read_operator("==", "at", &compare, &err) < 0);
}

static void features_tells_the_words_that_are_read(void **state) {
    (void)state;
    bh_error err;
    uint32_t action;
    cleanup_json json_t *words = seccomp_words();
    size_t i;
    json_t *word;
    assert_true(json_array_size(json_object_get(words, "actions")) > 5);
    json_array_foreach(json_object_get(words, "actions"), i, word) {
        assert_int_equal(seccomp_read_action(json_string_value(word), "at", -1, &action, &err), 0);
    }
    assert_true(json_array_size(json_object_get(words, "supportedFlags")) <=
                json_array_size(json_object_get(words, "knownFlags")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_action_answers_with_its_number_or_eperm),
        cmocka_unit_test(flags_are_added_up_and_unknown_words_are_refused),
        cmocka_unit_test(features_tells_the_words_that_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
