// The report: its verdict, its document, and what a person sees of it.
#include "probe/report.h"

#include "base/cleanup.h"
#include "probe/wrap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void add(json_t *report, probe_state state, const char *name) {
    probe_add(report, &(probe_finding){
                          .group = "settings",
                          .name = name,
                          .state = state,
                          .value = json_integer(0),
                          .shown = "0",
                          .means = "It means that something is so, at some length, so that there is more to say than "
                                   "fits into one line of eighty.",
                          .remedy = state >= PROBE_WEAK ? "sysctl -w some.thing=1" : NULL,
                      });
}

static void the_worst_finding_is_the_verdict(void **state) {
    (void)state;
    static const char *const fitness[] = {"fit", "fit", "limited", "unfit"};
    cleanup_json json_t *report = json_array();
    assert_int_equal(probe_worst(report), PROBE_GOOD);
    for (probe_state s = PROBE_GOOD; s <= PROBE_MISSING; s++) {
        add(report, s, "one");
        add(report, PROBE_GOOD, "another");
        assert_int_equal(probe_worst(report), s);
        cleanup_json json_t *document = probe_document(report);
        assert_string_equal(json_string_value(json_object_get(document, "fitness")), fitness[s]);
        assert_int_equal(json_array_size(json_object_get(document, "findings")), 2 * (s + 1));
    }
}

static void a_finding_without_value_or_remedy_says_null(void **state) {
    (void)state;
    cleanup_json json_t *report = json_array();
    probe_add(report, &(probe_finding){.group = "lsm", .name = "x", .shown = "?", .means = "Nothing."});
    json_t *finding = json_array_get(report, 0);
    assert_true(json_is_null(json_object_get(finding, "value")));
    assert_true(json_is_null(json_object_get(finding, "remedy")));
    assert_string_equal(json_string_value(json_object_get(finding, "state")), "good");
}

// What is printed, as a string.
static char *printed(const json_t *report, bool colour) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    probe_print(report, colour, out);
    fclose(out);
    return text;
}

static void fits_eighty_columns_and_ends_with_what_to_do(void **state) {
    (void)state;
    cleanup_json json_t *report = json_array();
    add(report, PROBE_GOOD, "well");
    add(report, PROBE_WEAK, "a_name_that_is_longer_than_its_column");
    add(report, PROBE_MISSING, "lacking");
    cleanup_free char *text = printed(report, false);
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        assert_true(length <= 80);
        assert_null(memchr(line, '\033', length));
        line += length + 1;
    }
    // The missing before the weak, each with its remedy.
    const char *missing = strstr(text, "  1. settings, lacking: sysctl -w some.thing=1\n");
    assert_non_null(missing);
    assert_non_null(strstr(missing, "  2. settings, a_name_that_is_longer_than_its_column: sysctl -w"));
    assert_non_null(strstr(text, "cannot run Bulkhead's containers (1 ok, 0 notes, 1 weak, 1 missing)"));
}

static void colours_only_where_asked(void **state) {
    (void)state;
    cleanup_json json_t *report = json_array();
    add(report, PROBE_WEAK, "one");
    cleanup_free char *text = printed(report, true);
    assert_non_null(strstr(text, "\033[33mweak"));
}

static void breaks_lines_at_words_and_counts_letters(void **state) {
    (void)state;
    static const struct {
        const char *text, *lines;
    } cases[] = {
        {"one two three", "one two\n  three\n"},
        {"", "\n"},
        {"a-word-that-is-far-too-long b", "a-word-that-is-far-too-long\n  b\n"},
        {"äöü äöü äöü", "äöü äöü\n  äöü\n"},
        {"  spaces   count once ", "spaces\n  count once\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        wrap(out, cases[i].text, 2, 2, 12);
        fclose(out);
        assert_string_equal(text, cases[i].lines);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_finding_is_the_verdict),
        cmocka_unit_test(a_finding_without_value_or_remedy_says_null),
        cmocka_unit_test(fits_eighty_columns_and_ends_with_what_to_do),
        cmocka_unit_test(colours_only_where_asked),
        cmocka_unit_test(breaks_lines_at_words_and_counts_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
