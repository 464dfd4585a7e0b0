// When and where a process runs: what is read, what is refused, and what the kernel then has.
#include "runtime/scheduling.h"

#include <linux/ioprio.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Reads the text as a `process`; the error's text, or "".
static const char *problem(const char *text, scheduling *s, json_t **document) {
    static bh_error err;
    err = (bh_error){0};
    *document = json_loads(text, 0, NULL);
    assert_non_null(*document);
    json_place at = {.object = *document, .path = "process"};
    int result = scheduling_parse(s, &at, &err);
    assert_int_equal(result < 0, err.message[0] != '\0');
    return err.message;
}

static void what_is_not_stated_is_left_alone(void **state) {
    (void)state;
    scheduling s;
    json_t *document;
    assert_string_equal(
        problem("{\"scheduler\":{},\"ioPriority\":{},\"execCPUAffinity\":{\"final\":\"\"}}", &s, &document), "");
    assert_false(s.has_policy);
    assert_int_equal(s.io_priority, -1);
    assert_null(s.initial_cpus);
    assert_null(s.final_cpus);
    json_decref(document);
}

static void everything_is_read(void **state) {
    (void)state;
    scheduling s;
    json_t *document;
    const char *text =
        "{\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"nice\":-5,\"priority\":7,\"runtime\":1,\"deadline\":2,"
        "\"period\":3,\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\",\"SCHED_FLAG_RECLAIM\"]},"
        "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":6},"
        "\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"0-1, 3\"}}";
    assert_string_equal(problem(text, &s, &document), "");
    assert_true(s.has_policy);
    assert_int_equal(s.policy, 6);
    assert_int_equal(s.nice, -5);
    assert_int_equal(s.priority, 7);
    assert_int_equal(s.flags, 1 | 2);
    assert_int_equal(s.runtime_ns * 100 + s.deadline_ns * 10 + s.period_ns, 123);
    assert_int_equal(s.io_priority, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6));
    assert_string_equal(s.final_cpus, "0-1, 3");
    json_decref(document);
}

static void a_list_of_processors_is_one_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *list;
        bool good;
    } lists[] = {{"0", true},    {"0-3,7", true}, {" 0 , 1 ", true}, {"1023", true},       {"1024", false},
                 {"3-1", false}, {"0-", false},   {"-1", false},     {"0--2", false},      {"a", false},
                 {"0x1", false}, {",", false},    {"0;1", false},    {"4294967297", false}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char text[128];
        scheduling s;
        json_t *document;
        snprintf(text, sizeof text, "{\"execCPUAffinity\":{\"final\":\"%s\"}}", lists[i].list);
        const char *error = problem(text, &s, &document);
        if (lists[i].good != (*error == '\0'))
            fail_msg("\"%s\": %s", lists[i].list, error);
        json_decref(document);
    }
}

static void a_process_is_what_it_was_told(void **state) {
    (void)state;
    scheduling s;
    json_t *document;
    bh_error err = {0};
    problem("{\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":3},\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\"}}",
            &s, &document);
    pid_t child = fork();
    if (child == 0) {
        bool all = scheduling_apply(&s, 0, &err) == 0 && scheduling_pin("0", 0, "here", &err) == 0;
        unsigned char mask[128] = {0};
        all &= syscall(SYS_sched_getaffinity, 0, sizeof mask, mask) > 0 && mask[0] == 1;
        all &= syscall(SYS_sched_getscheduler, 0) == SCHED_BATCH;
        all &= syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0) >> IOPRIO_CLASS_SHIFT == IOPRIO_CLASS_IDLE;
        _exit(all ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    json_decref(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_stated_is_left_alone),
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(a_list_of_processors_is_one_or_refused),
        cmocka_unit_test(a_process_is_what_it_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
