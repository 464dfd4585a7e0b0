// Parameter checks: see params.h.
#include "broker/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Linux refuses a longer argument (MAX_ARG_STRLEN, execve(2)).
#define STRING_IN_ARRAY_MAX 131071
#define LABEL_MAX 256

static int check_object(const param *table, json_t *object, const char *prefix, param_fault *fault, bh_error *err);

static void name_fault(param_fault *fault, const char *prefix, const char *name) {
    // A key of the peer's choosing may be long or hold anything; it is cut, and the answer's JSON encoding escapes it.
    snprintf(fault->field, sizeof fault->field, "%s%s%.48s", prefix, *prefix ? "." : "", name);
}

static int check_string(const param *p, json_t *value, bh_error *err) {
    if (!json_is_string(value))
        return bh_fail(err, 0, "%s must be a string", p->name);
    int64_t length = (int64_t)json_string_length(value);
    if (length < p->min || length > p->max)
        return bh_fail(err, 0, "%s must be %lld to %lld bytes long", p->name, (long long)p->min, (long long)p->max);
    if (p->matches && !p->matches(json_string_value(value)))
        return bh_fail(err, 0, "%s must be %s", p->name, p->pattern);
    return 0;
}

static int check_integer(const param *p, json_t *value, bh_error *err) {
    if (!json_is_integer(value))
        return bh_fail(err, 0, "%s must be an integer", p->name);
    int64_t number = json_integer_value(value);
    if (number < p->min && p->max == INT64_MAX)
        return bh_fail(err, 0, "%s must be at least %lld", p->name, (long long)p->min);
    if (number < p->min || number > p->max)
        return bh_fail(err, 0, "%s must be %lld to %lld", p->name, (long long)p->min, (long long)p->max);
    return 0;
}

static int check_strings(const param *p, json_t *value, bh_error *err) {
    if (!json_is_array(value))
        return bh_fail(err, 0, "%s must be an array of strings", p->name);
    int64_t count = (int64_t)json_array_size(value);
    if (count < p->min || count > p->max)
        return bh_fail(err, 0, "%s must have %lld to %lld strings", p->name, (long long)p->min, (long long)p->max);
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item) {
        if (!json_is_string(item) || json_string_length(item) > STRING_IN_ARRAY_MAX)
            return bh_fail(err, 0, "%s[%zu] must be a string of at most %d bytes", p->name, i, STRING_IN_ARRAY_MAX);
    }
    // The program's name. execve would refuse an empty one too, but deep in a job, as "no such file".
    if (count > 0 && json_string_length(json_array_get(value, 0)) == 0)
        return bh_fail(err, 0, "%s[0] must not be empty", p->name);
    return 0;
}

static int check_labels(const param *p, json_t *value, bh_error *err) {
    if (!json_is_object(value))
        return bh_fail(err, 0, "%s must be an object of strings", p->name);
    if ((int64_t)json_object_size(value) > p->max)
        return bh_fail(err, 0, "%s must have at most %lld entries", p->name, (long long)p->max);
    const char *key;
    json_t *item;
    json_object_foreach(value, key, item) {
        if (!json_is_string(item) || json_string_length(item) > LABEL_MAX || strlen(key) > LABEL_MAX)
            return bh_fail(err, 0, "every label and its name must be a string of at most %d bytes", LABEL_MAX);
    }
    return 0;
}

static int check_value(const param *p, json_t *value, const char *prefix, param_fault *fault, bh_error *err) {
    switch (p->kind) {
    case PARAM_STRING:
        return check_string(p, value, err);
    case PARAM_INTEGER:
        return check_integer(p, value, err);
    case PARAM_BOOLEAN:
        return json_is_boolean(value) ? 0 : bh_fail(err, 0, "%s must be true or false", p->name);
    case PARAM_STRINGS:
        return check_strings(p, value, err);
    case PARAM_LABELS:
        return check_labels(p, value, err);
    case PARAM_OBJECT:
        break;
    }
    if (!json_is_object(value))
        return bh_fail(err, 0, "%s must be an object", p->name);
    char inner[48];
    snprintf(inner, sizeof inner, "%s%s%s", prefix, *prefix ? "." : "", p->name);
    return check_object(p->fields, value, inner, fault, err);
}

static const param *find(const param *table, const char *name) {
    for (const param *p = table; p->name; p++) {
        if (strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

static int check_object(const param *table, json_t *object, const char *prefix, param_fault *fault, bh_error *err) {
    const char *key;
    json_t *value;
    // Unknown keys before missing ones: a misspelt key is both, and it helps more to hear of what was sent.
    json_object_foreach(object, key, value) {
        if (!find(table, key)) {
            name_fault(fault, prefix, key);
            return bh_fail(err, 0, "there is no parameter %.48s", fault->field);
        }
    }
    for (const param *p = table; p->name; p++) {
        name_fault(fault, prefix, p->name);
        value = json_object_get(object, p->name);
        if (!value && p->optional)
            continue;
        if (!value)
            return bh_fail(err, 0, "%s is missing", fault->field);
        if (check_value(p, value, prefix, fault, err) < 0)
            return -1;
    }
    fault->field[0] = '\0';
    return 0;
}

int params_check(const param *table, json_t *params, param_fault *fault, bh_error *err) {
    fault->field[0] = '\0';
    if (!json_is_object(params))
        return bh_fail(err, 0, "params must be an object");
    return check_object(table, params, "", fault, err);
}

const char *params_string(json_t *params, const char *name) {
    return json_string_value(json_object_get(params, name));
}

int64_t params_integer(json_t *params, const char *name, int64_t otherwise) {
    json_t *value = json_object_get(params, name);
    return value ? json_integer_value(value) : otherwise;
}

char **params_strings(json_t *params, const char *name) {
    json_t *array = json_object_get(params, name);
    if (!array)
        return NULL;
    char **strings = calloc(json_array_size(array) + 1, sizeof *strings);
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) {
        if (strings)
            strings[i] = (char *)(uintptr_t)json_string_value(item); // execve's type drops const, not its promise
    }
    return strings;
}

static bool is_lower_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// The whole text, of 1 to `max` bytes, is made of a-z, 0-9 and `others`, and begins with one of the former.
static bool is_name(const char *text, size_t max, const char *others) {
    size_t length = strlen(text);
    if (length == 0 || length > max || !is_lower_or_digit(text[0]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_lower_or_digit(text[i]) && !strchr(others, text[i]))
            return false;
    }
    return true;
}

bool is_machine_id(const char *text) {
    return is_name(text, 32, "-");
}

bool is_terminal_id(const char *text) {
    return is_name(text, 16, "");
}

bool is_image_name(const char *text) {
    return is_name(text, 32, "._-");
}

bool is_hostname(const char *text) {
    return is_name(text, 63, "-") && text[strlen(text) - 1] != '-';
}

bool is_profile(const char *text) {
    return strcmp(text, "hardened") == 0 || strcmp(text, "nested") == 0;
}

bool is_start(const char *text) {
    return strcmp(text, "boot") == 0 || strcmp(text, "template") == 0;
}

bool is_path(const char *text) {
    return text[0] == '/';
}
