// Typed reading of JSON objects: each function names the field's full path in its error, such as "process.args[2] must
// be a string". A field that is absent leaves the result as it was.
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct json_place {
    json_t *object; // NULL where the object itself is absent: every field of it is, too
    char path[160]; // "linux.resources", "" for the document
} json_place;

int json_get_string(const json_place *at, const char *key, const char **value, bh_error *err);
int json_get_bool(const json_place *at, const char *key, bool *value, bh_error *err);
int json_get_integer(const json_place *at, const char *key, int64_t min, int64_t max, int64_t *value, bh_error *err);
int json_get_object(const json_place *at, const char *key, json_place *value, bh_error *err);
int json_get_array(const json_place *at, const char *key, json_t **value, bh_error *err);
// A NULL-terminated, malloc'ed array; the strings belong to the document.
int json_get_strings(const json_place *at, const char *key, const char ***value, bh_error *err);
// The object that is element `index` of the array at `key`.
int json_get_element(const json_place *at, const char *key, const json_t *array, size_t index, json_place *value,
                     bh_error *err);
// Fails for the first of these fields (NULL ends the list) that says anything: absent, null, "", {} and [] are fine.
int json_refuse(const json_place *at, const char *const *keys, bh_error *err);
