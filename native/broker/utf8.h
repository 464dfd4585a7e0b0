// Text of unknown origin made fit for JSON.
#pragma once

#include <jansson.h>
#include <stddef.h>

// A JSON string of these bytes; every byte that is not part of well-formed UTF-8 becomes U+FFFD.
json_t *utf8_to_json(const char *bytes, size_t length);
