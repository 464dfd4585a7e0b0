// Typed reading of JSON: what is wrong is named by its full path, what is absent changes nothing.
#include "runtime/json_field.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "{\"text\": \"x\", \"cut\": \"a\\u0000b\", \"yes\": true, \"number\": 7, \"none\": null, "
                           "\"inner\": {\"deep\": 1}, \"list\": [\"a\", \"b\"], \"mixed\": [\"a\", 1], "
                           "\"objects\": [{\"n\": 1}, 2], \"empty\": {}, \"nothing\": []}";
static json_t *document;
static json_place at;

static int load(void **state) {
    (void)state;
    document = json_loads(text, JSON_ALLOW_NUL, NULL);
    at = (json_place){.object = document, .path = "linux"};
    return document ? 0 : -1;
}

static int unload(void **state) {
    (void)state;
    json_decref(document);
    return 0;
}

static void values_are_read_and_absent_ones_left_alone(void **state) {
    (void)state;
    bh_error err = {0};
    const char *word = "before";
    bool yes = false;
    int64_t number = 1;
    assert_int_equal(json_get_string(&at, "text", &word, &err), 0);
    assert_string_equal(word, "x");
    assert_int_equal(json_get_string(&at, "none", &word, &err), 0);
    assert_int_equal(json_get_string(&at, "absent", &word, &err), 0);
    assert_string_equal(word, "x");
    assert_int_equal(json_get_bool(&at, "yes", &yes, &err), 0);
    assert_true(yes);
    assert_int_equal(json_get_integer(&at, "number", 0, 10, &number, &err), 0);
    assert_int_equal(number, 7);
    assert_string_equal(err.message, "");
}

static void a_wrong_type_is_told_with_the_whole_path(void **state) {
    (void)state;
    bh_error err;
    const char *word;
    int64_t number;
    json_place inner, deep;
    assert_int_equal(json_get_object(&at, "inner", &inner, &err), 0);
    assert_true(json_get_string(&inner, "deep", &word, &err) < 0);
    assert_string_equal(err.message, "linux.inner.deep must be a string");
    assert_true(json_get_object(&inner, "deep", &deep, &err) < 0);
    assert_string_equal(err.message, "linux.inner.deep must be an object");
    assert_true(json_get_integer(&at, "text", 0, 1, &number, &err) < 0);
    assert_string_equal(err.message, "linux.text must be an integer");
    assert_true(json_get_integer(&at, "number", 8, 9, &number, &err) < 0);
    assert_non_null(strstr(err.message, "linux.number is 7; it must be from 8 to 9"));
}

// The kernel would see only what is before it.
static void a_string_with_a_nul_inside_is_none(void **state) {
    (void)state;
    bh_error err;
    const char *word;
    assert_true(json_get_string(&at, "cut", &word, &err) < 0);
}

static void lists_are_read_whole_or_not_at_all(void **state) {
    (void)state;
    bh_error err;
    cleanup_free const char **words = NULL;
    const char **none = NULL;
    assert_int_equal(json_get_strings(&at, "list", &words, &err), 0);
    assert_string_equal(words[0], "a");
    assert_string_equal(words[1], "b");
    assert_null(words[2]);
    assert_true(json_get_strings(&at, "mixed", &none, &err) < 0);
    assert_non_null(strstr(err.message, "linux.mixed[1]"));
    json_t *array;
    json_place element;
    assert_int_equal(json_get_array(&at, "objects", &array, &err), 0);
    assert_int_equal(json_get_element(&at, "objects", array, 0, &element, &err), 0);
    assert_string_equal(element.path, "linux.objects[0]");
    assert_true(json_get_element(&at, "objects", array, 1, &element, &err) < 0);
}

static void what_is_not_supported_is_refused_unless_it_says_nothing(void **state) {
    (void)state;
    bh_error err = {0};
    static const char *const silent[] = {"none", "absent", "empty", "nothing", NULL};
    static const char *const saying[] = {"absent", "inner", NULL};
    assert_int_equal(json_refuse(&at, silent, &err), 0);
    assert_true(json_refuse(&at, saying, &err) < 0);
    assert_non_null(strstr(err.message, "linux.inner"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_and_absent_ones_left_alone),
        cmocka_unit_test(a_wrong_type_is_told_with_the_whole_path),
        cmocka_unit_test(a_string_with_a_nul_inside_is_none),
        cmocka_unit_test(lists_are_read_whole_or_not_at_all),
        cmocka_unit_test(what_is_not_supported_is_refused_unless_it_says_nothing),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
