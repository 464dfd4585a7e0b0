// Reading a JSON document with the whole range of numbers that runtime-spec has.
#pragma once

#include "base/error.h"

#include <jansson.h>

// The spec's unsigned 64-bit fields reach 18446744073709551615 ("no limit" in rlimits, masks in seccomp), twice what
// jansson's integers hold. Such a number becomes the negative one with the same 64 bits: exact, where the usual answer,
// JSON_DECODE_INT_AS_REAL, would make a rounded double of every number in the document.
json_t *json_read_text(const char *text, size_t length, bh_error *err);
// "-" is standard input.
json_t *json_read_file(const char *path, bh_error *err);
