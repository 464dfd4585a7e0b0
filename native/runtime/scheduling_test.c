// process.scheduler, ioPriority and execCPUAffinity as they are read.
#include "runtime/scheduling.h"

#include "base/cleanup.h"

#include <linux/ioprio.h>
#include <linux/sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, scheduling *s, bh_error *err) {
    static json_t *document; // what is read points into it
    json_decref(document);
    document = json_loads(text, 0, NULL);
    assert_non_null(document);
    json_place process = {.object = document, .path = "process"};
    *s = (scheduling){0};
    int result = scheduling_parse(s, &process, err);
    if (!*text || strcmp(text, "{}") == 0) {
        json_decref(document);
        document = NULL;
    }
    return result;
}

static void what_is_not_said_is_left_to_the_kernel(void **state) {
    (void)state;
    bh_error err;
    scheduling s;
    assert_int_equal(parse("{}", &s, &err), 0);
    assert_false(s.has_policy);
    assert_int_equal(s.io_priority, -1);
    assert_null(s.initial_cpus);
}

static void words_become_the_kernels_numbers(void **state) {
    (void)state;
    bh_error err;
    scheduling s;
    assert_int_equal(parse("{\"scheduler\": {\"policy\": \"SCHED_FIFO\", \"priority\": 5, \"flags\": "
                           "[\"SCHED_FLAG_RESET_ON_FORK\", \"SCHED_FLAG_KEEP_PARAMS\"]}}",
                           &s, &err),
                     0);
    assert_true(s.has_policy);
    assert_int_equal(s.policy, SCHED_FIFO);
    assert_int_equal(s.priority, 5);
    assert_int_equal(s.flags, SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_PARAMS);
    assert_int_equal(parse("{\"ioPriority\": {\"class\": \"IOPRIO_CLASS_IDLE\", \"priority\": 0}}", &s, &err), 0);
    assert_int_equal(s.io_priority, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
    assert_int_equal(parse("{}", &s, &err), 0);
}

static void processors_are_lists_of_numbers_and_ranges(void **state) {
    (void)state;
    static const char *const good[] = {"0", "0-3,7", " 1 , 2-2"};
    static const char *const bad[] = {"x", "3-1", "1-", "-1", "0;1", "1024", "0-9999999999"};
    char text[96];
    bh_error err;
    scheduling s;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, "{\"execCPUAffinity\": {\"initial\": \"%s\"}}", good[i]);
        assert_int_equal(parse(text, &s, &err), 0);
        assert_string_equal(s.initial_cpus, good[i]);
        assert_null(s.final_cpus);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "{\"execCPUAffinity\": {\"final\": \"%s\"}}", bad[i]);
        assert_true(parse(text, &s, &err) < 0);
        assert_non_null(strstr(err.message, "process.execCPUAffinity.final"));
    }
    assert_int_equal(parse("{}", &s, &err), 0);
}

static void what_no_kernel_has_is_refused_by_its_path(void **state) {
    (void)state;
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"{\"scheduler\": {\"policy\": \"SCHED_ISO\"}}", "process.scheduler.policy"},
        {"{\"scheduler\": {\"priority\": 1}}", "process.scheduler.policy is missing"},
        {"{\"scheduler\": {\"policy\": \"SCHED_OTHER\", \"nice\": 20}}", "process.scheduler.nice"},
        {"{\"scheduler\": {\"policy\": \"SCHED_OTHER\", \"flags\": [\"SCHED_FLAG_FAST\"]}}", "process.scheduler.flags"},
        {"{\"ioPriority\": {\"class\": \"IOPRIO_CLASS_BEST\"}}", "process.ioPriority.class"},
        {"{\"ioPriority\": {\"class\": \"IOPRIO_CLASS_BE\", \"priority\": 8}}", "process.ioPriority.priority"},
    };
    bh_error err;
    scheduling s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(parse(cases[i].text, &s, &err) < 0);
        assert_non_null(strstr(err.message, cases[i].field));
    }
    assert_int_equal(parse("{}", &s, &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_is_left_to_the_kernel),
        cmocka_unit_test(words_become_the_kernels_numbers),
        cmocka_unit_test(processors_are_lists_of_numbers_and_ranges),
        cmocka_unit_test(what_no_kernel_has_is_refused_by_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
