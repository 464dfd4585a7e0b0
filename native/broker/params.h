// What a method accepts, as a table, and the check of a request against it. Everything the server sends passes
// here before any handler sees it: unknown keys, wrong types, numbers out of range and strings outside their pattern
// are refused with the name of the parameter at fault.
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum param_kind {
    PARAM_STRING,  // min and max are its length in bytes
    PARAM_INTEGER, // min and max are its value
    PARAM_BOOLEAN,
    PARAM_STRINGS, // array; min and max are the number of strings
    PARAM_LABELS,  // object of at most `max` strings, each at most 256 bytes
    PARAM_OBJECT,  // `fields` says what is in it
} param_kind;

typedef struct param {
    const char *name; // NULL ends a table
    param_kind kind;
    bool optional;
    int64_t min, max;
    bool (*matches)(const char *text); // a string's pattern; NULL: any text
    const char *pattern;               // how the pattern reads in an error message
    const struct param *fields;
} param;

#define PARAM_END {.name = NULL}

// Where a check failed: "limits.memory_bytes", "command"; empty when the parameters as a whole are at fault.
typedef struct param_fault {
    char field[96];
} param_fault;

// Checks `params` (an object) against the table.
int params_check(const param *table, json_t *params, param_fault *fault, bh_error *err);

// Values of parameters that were checked. Absent optional ones: NULL, or `otherwise`.
const char *params_string(json_t *params, const char *name);
int64_t params_integer(json_t *params, const char *name, int64_t otherwise);
// A NULL-terminated array for execve, its strings owned by `params`; the array is to be freed. NULL when absent.
char **params_strings(json_t *params, const char *name);

// The patterns of docs/protocol.md.
bool is_machine_id(const char *text);  // ^[a-z0-9][a-z0-9-]{0,31}$
bool is_terminal_id(const char *text); // ^[a-z0-9]{1,16}$
bool is_image_name(const char *text);  // ^[a-z0-9][a-z0-9._-]{0,31}$
bool is_hostname(const char *text);    // ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$
bool is_profile(const char *text);     // hardened or nested
bool is_start(const char *text);       // boot or template
bool is_path(const char *text);        // begins with a slash

#define PARAM_MACHINE                                                                                                  \
    {.name = "machine",                                                                                                \
     .kind = PARAM_STRING,                                                                                             \
     .min = 1,                                                                                                         \
     .max = 32,                                                                                                        \
     .matches = is_machine_id,                                                                                         \
     .pattern = "1 to 32 of a-z, 0-9 and -, not starting with -"}
#define PARAM_TERMINAL                                                                                                 \
    {.name = "terminal",                                                                                               \
     .kind = PARAM_STRING,                                                                                             \
     .min = 1,                                                                                                         \
     .max = 16,                                                                                                        \
     .matches = is_terminal_id,                                                                                        \
     .pattern = "1 to 16 of a-z and 0-9"}
#define PARAM_COMMAND(is_optional)                                                                                     \
    {.name = "command", .kind = PARAM_STRINGS, .optional = is_optional, .min = 1, .max = 256}
