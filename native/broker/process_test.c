// Running a program under a time limit, in a job, and making its output fit for JSON.
#include "base/loop.h"
#include "broker/identity.h"
#include "broker/job.h"
#include "broker/process.h"
#include "broker/utf8.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static process_result run(char *const *argv, const char *input, size_t output_max, int64_t timeout_ms) {
    static char *environment[] = {"PATH=/usr/bin:/bin", NULL};
    process_spec spec = {
        .argv = argv,
        .envp = environment,
        .input = input,
        .input_length = input ? strlen(input) : 0,
        .output_max = output_max,
        .timeout_ms = timeout_ms,
        .reports = true,
    };
    process_result result;
    bh_error err;
    assert_int_equal(process_run(&spec, &result, &err), 0);
    return result;
}

static void both_streams_the_report_and_the_status_come_back(void **state) {
    (void)state;
    process_result r =
        run((char *[]){"sh", "-c", "cat; echo bad >&2; echo told >&3; exit 3", NULL}, "given", 100, 5000);
    assert_string_equal(r.out.bytes, "given");
    assert_string_equal(r.error.bytes, "bad\n");
    assert_string_equal(r.report.bytes, "told\n");
    assert_int_equal(r.exit_status, 3);
    assert_int_equal(r.signal, 0);
    assert_false(r.timed_out || r.truncated);
    char why[64];
    process_complaint(&r, why, sizeof why);
    assert_string_equal(why, "bad");
    process_result_free(&r);
}

static void a_program_that_does_not_end_is_killed_in_time(void **state) {
    (void)state;
    process_result r = run((char *[]){"sh", "-c", "echo begun; exec sleep 100", NULL}, NULL, 100, 200);
    assert_true(r.timed_out);
    assert_int_equal(r.signal, SIGKILL);
    assert_string_equal(r.out.bytes, "begun\n");
    assert_in_range((uint64_t)r.duration_us, 200000, 3000000);
    process_result_free(&r);
}

static void a_program_that_never_stops_printing_is_killed_in_time(void **state) {
    (void)state;
    process_result r = run((char *[]){"yes", NULL}, NULL, 1000, 200);
    assert_true(r.timed_out && r.truncated);
    assert_int_equal(r.out.length, 1000);
    assert_in_range((uint64_t)r.duration_us, 200000, 3000000);
    process_result_free(&r);
}

static void a_child_left_in_the_background_is_not_waited_for(void **state) {
    (void)state;
    process_result r = run((char *[]){"sh", "-c", "sleep 3 & echo done", NULL}, NULL, 100, 5000);
    assert_string_equal(r.out.bytes, "done\n");
    assert_false(r.timed_out);
    assert_true(r.duration_us < 2000000);
    process_result_free(&r);
}

static void input_that_nobody_reads_does_no_harm(void **state) {
    (void)state;
    size_t size = 1000000;
    char *input = malloc(size + 1);
    memset(input, 'x', size);
    input[size] = '\0';
    process_result r = run((char *[]){"true", NULL}, input, 100, 5000);
    assert_int_equal(r.exit_status, 0);
    process_result_free(&r);
    r = run((char *[]){"wc", "-c", NULL}, input, 100, 5000);
    assert_string_equal(r.out.bytes, "1000000\n");
    process_result_free(&r);
    free(input);
}

static void a_missing_program_is_named(void **state) {
    (void)state;
    process_result r = run((char *[]){"/nonexistent/program", NULL}, NULL, 1000, 5000);
    assert_int_equal(r.exit_status, 127);
    assert_non_null(strstr(r.error.bytes, "/nonexistent/program"));
    process_result_free(&r);
}

typedef struct outcome {
    loop *loop;
    json_t *result;
    char message[512];
    bool done;
} outcome;

static void job_is_done(void *argument, json_t *result, const bh_error *err) {
    outcome *o = argument;
    o->done = true;
    o->result = result ? json_incref(result) : NULL;
    if (!result)
        snprintf(o->message, sizeof o->message, "%s", err->message);
    loop_stop(o->loop);
}

static int large_result(void *argument, json_t **result, bh_error *err) {
    (void)argument;
    (void)err;
    char *text = malloc(500001);
    memset(text, 'y', 500000);
    text[500000] = '\0';
    *result = json_pack("{s:s}", "text", text);
    free(text);
    return 0;
}

static int failing(void *argument, json_t **result, bh_error *err) {
    (void)argument;
    (void)result;
    return bh_fail(err, 0, "no such luck");
}

static int dying(void *argument, json_t **result, bh_error *err) {
    (void)argument;
    (void)result;
    (void)err;
    kill(getpid(), SIGKILL);
    return 0;
}

typedef struct stopping_timer {
    loop_timer timer;
    loop *loop;
} stopping_timer;

static void stop_loop(loop_timer *timer) {
    loop_stop(((stopping_timer *)timer)->loop);
}

static outcome run_job(job_body *body) {
    bh_error err;
    outcome o = {.loop = loop_new(&err)};
    assert_int_equal(job_start(o.loop, body, job_is_done, &o, &err), 0);
    assert_int_equal(loop_run(o.loop, &err), 0);
    assert_true(o.done);
    // Its child is reaped in a later round of the loop, and the job freed then.
    while (waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOWAIT | WNOHANG) == 0) {
        stopping_timer timer = {{.fire = stop_loop}, o.loop};
        loop_timer_start(o.loop, &timer.timer, 1);
        assert_int_equal(loop_run(o.loop, &err), 0);
    }
    loop_free(o.loop);
    return o;
}

static void a_job_hands_back_its_result_or_its_error(void **state) {
    (void)state;
    outcome o = run_job(large_result);
    assert_int_equal(json_string_length(json_object_get(o.result, "text")), 500000);
    json_decref(o.result);
    o = run_job(failing);
    assert_string_equal(o.message, "no such luck");
    o = run_job(dying);
    assert_non_null(strstr(o.message, "without an answer"));
}

static void bad_utf8_becomes_replacement_characters(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"plain", "plain"},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\xA7", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\xA7"},
        {"a\xFF"
         "b",
         "a\xEF\xBF\xBD"
         "b"},
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                 // overlong
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, // a surrogate
        {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xE2\x82", "\xEF\xBF\xBD\xEF\xBF\xBD"}, // cut short
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *text = utf8_to_json(cases[i].bytes, strlen(cases[i].bytes));
        assert_string_equal(json_string_value(text), cases[i].text);
        json_decref(text);
    }
    json_t *with_nul = utf8_to_json("a\0b", 3);
    assert_int_equal(json_string_length(with_nul), 3);
    json_decref(with_nul);
}

static void a_process_is_known_by_pid_and_start_time(void **state) {
    (void)state;
    bh_error err;
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    uint64_t started = process_start_time(pid);
    assert_true(started > 0);
    int fd = process_open(pid, started, &err);
    assert_true(fd >= 0);
    close(fd);
    assert_true(process_open(pid, started + 1, &err) < 0); // another process by the same pid
    assert_int_equal(process_end(pid, started + 1, 1000, &err), 0);
    assert_int_equal(process_start_time(pid), started); // and so it was not touched
    assert_int_equal(process_end(pid, started, 1000, &err), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_int_equal(process_start_time(pid), 0);
    assert_true(process_open(0, 0, &err) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_streams_the_report_and_the_status_come_back),
        cmocka_unit_test(a_program_that_does_not_end_is_killed_in_time),
        cmocka_unit_test(a_program_that_never_stops_printing_is_killed_in_time),
        cmocka_unit_test(a_child_left_in_the_background_is_not_waited_for),
        cmocka_unit_test(input_that_nobody_reads_does_no_harm),
        cmocka_unit_test(a_missing_program_is_named),
        cmocka_unit_test(a_job_hands_back_its_result_or_its_error),
        cmocka_unit_test(bad_utf8_becomes_replacement_characters),
        cmocka_unit_test(a_process_is_known_by_pid_and_start_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
