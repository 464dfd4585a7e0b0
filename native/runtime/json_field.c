// Typed reading of JSON objects: see json_field.h.
#include "runtime/json_field.h"

#include <errno.h>
#include <string.h>

static const char *dot(const json_place *at) {
    return at->path[0] ? "." : "";
}

static json_t *find(const json_place *at, const char *key) {
    json_t *value = at->object ? json_object_get(at->object, key) : NULL;
    return json_is_null(value) ? NULL : value;
}

static int wrong_type(const json_place *at, const char *key, const char *type, bh_error *err) {
    return bh_fail(err, 0, "%s%s%s must be %s", at->path, dot(at), key, type);
}

int json_get_string(const json_place *at, const char *key, const char **value, bh_error *err) {
    const json_t *found = find(at, key);
    if (!found)
        return 0;
    // A NUL inside would cut the string for the kernel, after it has been checked here.
    if (!json_is_string(found) || strlen(json_string_value(found)) != json_string_length(found))
        return wrong_type(at, key, "a string", err);
    *value = json_string_value(found);
    return 0;
}

int json_get_bool(const json_place *at, const char *key, bool *value, bh_error *err) {
    const json_t *found = find(at, key);
    if (!found)
        return 0;
    if (!json_is_boolean(found))
        return wrong_type(at, key, "true or false", err);
    *value = json_is_true(found);
    return 0;
}

int json_get_integer(const json_place *at, const char *key, int64_t min, int64_t max, int64_t *value, bh_error *err) {
    const json_t *found = find(at, key);
    if (!found)
        return 0;
    if (!json_is_integer(found))
        return wrong_type(at, key, "an integer", err);
    int64_t number = json_integer_value(found);
    if (number < min || number > max)
        return bh_fail(err, 0, "%s%s%s is %lld; it must be from %lld to %lld", at->path, dot(at), key,
                       (long long)number, (long long)min, (long long)max);
    *value = number;
    return 0;
}

int json_get_object(const json_place *at, const char *key, json_place *value, bh_error *err) {
    json_t *found = find(at, key);
    if (found && !json_is_object(found))
        return wrong_type(at, key, "an object", err);
    value->object = found;
    snprintf(value->path, sizeof value->path, "%s%s%s", at->path, dot(at), key);
    return 0;
}

int json_get_array(const json_place *at, const char *key, json_t **value, bh_error *err) {
    json_t *found = find(at, key);
    if (!found)
        return 0;
    if (!json_is_array(found))
        return wrong_type(at, key, "an array", err);
    *value = found;
    return 0;
}

int json_get_strings(const json_place *at, const char *key, const char ***value, bh_error *err) {
    json_t *array = NULL;
    if (json_get_array(at, key, &array, err) < 0)
        return -1;
    if (!array)
        return 0;
    size_t count = json_array_size(array);
    const char **strings = calloc(count + 1, sizeof *strings);
    if (!strings)
        return bh_fail(err, ENOMEM, "cannot read %s%s%s", at->path, dot(at), key);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        if (!json_is_string(item) || strlen(json_string_value(item)) != json_string_length(item)) {
            free(strings);
            return bh_fail(err, 0, "%s%s%s[%zu] must be a string", at->path, dot(at), key, i);
        }
        strings[i] = json_string_value(item);
    }
    free(*value);
    *value = strings;
    return 0;
}

int json_get_element(const json_place *at, const char *key, const json_t *array, size_t index, json_place *value,
                     bh_error *err) {
    value->object = json_array_get(array, index);
    snprintf(value->path, sizeof value->path, "%s%s%s[%zu]", at->path, dot(at), key, index);
    if (!json_is_object(value->object))
        return bh_fail(err, 0, "%s must be an object", value->path);
    return 0;
}

int json_refuse(const json_place *at, const char *const *keys, bh_error *err) {
    for (; *keys; keys++) {
        const json_t *found = find(at, *keys);
        bool empty = !found || (json_is_object(found) && json_object_size(found) == 0) ||
                     (json_is_array(found) && json_array_size(found) == 0) ||
                     (json_is_string(found) && json_string_length(found) == 0);
        if (!empty)
            return bh_fail(err, 0, "%s%s%s is not supported", at->path, dot(at), *keys);
    }
    return 0;
}
