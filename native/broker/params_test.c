// Parameters: what is let through to a handler, and how what is not is named.
#include "broker/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const param limits[] = {
    {.name = "memory_bytes", .kind = PARAM_INTEGER, .min = 16, .max = 1024},
    PARAM_END,
};
static const param table[] = {
    PARAM_MACHINE,
    {.name = "limits", .kind = PARAM_OBJECT, .optional = true, .fields = limits},
    {.name = "labels", .kind = PARAM_LABELS, .optional = true, .max = 2},
    PARAM_COMMAND(true),
    PARAM_END,
};

// The field at fault in this JSON text; "" when it passes.
static const char *fault_of(const char *text) {
    static param_fault fault;
    bh_error err = {0};
    json_t *params = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(params);
    int outcome = params_check(table, params, &fault, &err);
    json_decref(params);
    if (outcome == 0)
        return "";
    assert_true(strlen(err.message) > 0);
    return *fault.field ? fault.field : "(params)";
}

static void good_parameters_pass(void **state) {
    (void)state;
    assert_string_equal(fault_of("{\"machine\": \"ab-12\"}"), "");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"limits\": {\"memory_bytes\": 16}}"), "");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"labels\": {\"any thing\": \"\\u0001\"}}"), "");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"command\": [\"ls\", \"\"]}"), "");
}

static void the_parameter_at_fault_is_named(void **state) {
    (void)state;
    assert_string_equal(fault_of("{}"), "machine");
    assert_string_equal(fault_of("[]"), "(params)");
    assert_string_equal(fault_of("7"), "(params)");
    assert_string_equal(fault_of("{\"machine\": 7}"), "machine");
    assert_string_equal(fault_of("{\"machine\": null}"), "machine");
    assert_string_equal(fault_of("{\"machine\": \"\"}"), "machine");
    assert_string_equal(fault_of("{\"machine\": \"../etc\"}"), "machine");
    assert_string_equal(fault_of("{\"machine\": \"-a\"}"), "machine");
    assert_string_equal(fault_of("{\"machine\": \"A\"}"), "machine");
    assert_string_equal(fault_of("{\"machine\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"), "machine");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"mashine\": \"a\"}"), "mashine");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"limits\": 1}"), "limits");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"limits\": {}}"), "limits.memory_bytes");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"limits\": {\"memory_bytes\": 15}}"), "limits.memory_bytes");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"limits\": {\"memory_bytes\": 1025}}"), "limits.memory_bytes");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"limits\": {\"memory_bytes\": 16.0}}"), "limits.memory_bytes");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"limits\": {\"memory_bytes\": 16, \"x\": 1}}"), "limits.x");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"labels\": {\"a\": \"\", \"b\": \"\", \"c\": \"\"}}"),
                        "labels");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"labels\": {\"a\": 1}}"), "labels");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"command\": []}"), "command");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"command\": [\"\"]}"), "command");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"command\": [\"a\", 1]}"), "command");
    assert_string_equal(fault_of("{\"machine\": \"a\", \"command\": \"ls\"}"), "command");
}

static void a_huge_key_or_value_is_refused_without_harm(void **state) {
    (void)state;
    char *huge = malloc(300001);
    memset(huge, 'k', 300000);
    huge[300000] = '\0';
    json_t *params = json_pack("{s:s, s:s}", "machine", "a", huge, "v");
    param_fault fault;
    bh_error err;
    assert_true(params_check(table, params, &fault, &err) < 0);
    assert_int_equal(strlen(fault.field), 48);
    json_decref(params);
    params = json_pack("{s:s, s:[s, s]}", "machine", "a", "command", "echo", huge);
    assert_true(params_check(table, params, &fault, &err) < 0);
    assert_string_equal(fault.field, "command");
    json_decref(params);
    params = json_pack("{s:s}", "machine", huge);
    assert_true(params_check(table, params, &fault, &err) < 0);
    assert_string_equal(fault.field, "machine");
    json_decref(params);
    free(huge);
}

static void names_are_what_the_protocol_says(void **state) {
    (void)state;
    assert_true(is_hostname("box") && is_hostname("a-1"));
    assert_false(is_hostname("-a") || is_hostname("a-") || is_hostname("a.b") || is_hostname("A"));
    assert_true(is_image_name("base") && is_image_name("debian-13.1_x"));
    assert_false(is_image_name("..") || is_image_name(".a") || is_image_name("a/b") || is_image_name(""));
    assert_true(is_terminal_id("t1"));
    assert_false(is_terminal_id("t-1") || is_terminal_id("abcdefghijklmnopq"));
    assert_true(is_profile("nested") && is_profile("hardened"));
    assert_false(is_profile("privileged"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_parameters_pass),
        cmocka_unit_test(the_parameter_at_fault_is_named),
        cmocka_unit_test(a_huge_key_or_value_is_refused_without_harm),
        cmocka_unit_test(names_are_what_the_protocol_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
