// The launch trace: JSON whatever a path holds, nothing lost, and words for a person that a terminal survives.
#include "runtime/trace.h"

#include "base/cleanup.h"
#include "runtime/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int ends[2];

static int begin(void **state) {
    (void)state;
    bh_error err;
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ? -1 : trace_to(ends[1], &err);
}

static int end(void **state) {
    (void)state;
    trace_fd = -1;
    close(ends[0]);
    return close(ends[1]);
}

static void a_step_is_one_object_on_one_line(void **state) {
    (void)state;
    char text[4096];
    uint64_t start = trace_now();
    trace_step("mount", start, "/a \"b\"\\ \n\x01 %s", "\xc3\xa4");
    assert_int_equal(read(ends[0], text, sizeof text), -1); // it waits for more
    trace_flush();
    ssize_t length = read(ends[0], text, sizeof text);
    assert_true(length > 0);
    assert_ptr_equal(memchr(text, '\n', (size_t)length), text + length - 1);
    cleanup_json json_t *line = json_loadb(text, (size_t)length, 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "step")), "mount");
    assert_string_equal(json_string_value(json_object_get(line, "detail")), "/a \"b\"\\ \n\x01 \xc3\xa4");
    assert_true(json_integer_value(json_object_get(line, "start_ns")) == (json_int_t)start);
    assert_true(json_integer_value(json_object_get(line, "end_ns")) >= (json_int_t)start);
    assert_non_null(strstr(json_string_value(json_object_get(line, "source")), "native/runtime/trace_test.c:"));
}

static void more_than_fits_is_handed_over_in_between(void **state) {
    (void)state;
    char text[65536];
    size_t lines = 0;
    for (int i = 0; i < 100; i++)
        trace_step("mount", trace_now(), "number %d, with some words to make it longer", i);
    trace_flush();
    ssize_t length = read(ends[0], text, sizeof text);
    for (ssize_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    assert_int_equal(lines, 100);
}

static void off_it_costs_no_clock_and_writes_nothing(void **state) {
    (void)state;
    char text[16];
    trace_fd = -1;
    assert_int_equal(trace_now(), 0);
    trace_step("mount", 0, "nothing");
    trace_flush();
    assert_int_equal(read(ends[0], text, sizeof text), -1);
}

static void standard_descriptors_are_not_for_the_trace(void **state) {
    (void)state;
    bh_error err = {0};
    assert_true(trace_to(1, &err) < 0);
    assert_int_equal(err.code, EINVAL);
}

static void a_person_reads_words_and_no_escape_sequence_gets_through(void **state) {
    (void)state;
    char line[1536];
    int length = explain_line(line, sizeof line, "clone3", 3000000, 4500000, 1000000, "a\x1b[2Jb", "native/x.c:1");
    assert_string_equal(
        line, "   2.00 ms  make its first process, in namespaces of its own: a?[2Jb  (1.50 ms, native/x.c:1)\n");
    assert_int_equal(length, strlen(line));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_step_is_one_object_on_one_line, begin, end),
        cmocka_unit_test_setup_teardown(more_than_fits_is_handed_over_in_between, begin, end),
        cmocka_unit_test_setup_teardown(off_it_costs_no_clock_and_writes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(standard_descriptors_are_not_for_the_trace, begin, end),
        cmocka_unit_test_setup_teardown(a_person_reads_words_and_no_escape_sequence_gets_through, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
