// Seccomp profiles as bytes: see seccomp_key.h. Each value begins with its kind. Strings end with a NUL, which jansson
// lets none contain; objects and arrays with a mark that is no kind.
#include "runtime/seccomp_key.h"

#include <stdlib.h>
#include <string.h>

enum { END = ')' };

static int append(seccomp_key *key, const void *bytes, size_t length) {
    if (key->length + length > key->room) {
        size_t room = 2 * (key->length + length) + 16384; // most profiles fit in the first piece
        char *grown = realloc(key->bytes, room);
        if (!grown)
            return -1;
        key->bytes = grown;
        key->room = room;
    }
    memcpy(key->bytes + key->length, bytes, length);
    key->length += length;
    return 0;
}

static int append_mark(seccomp_key *key, char mark) {
    return append(key, &mark, 1);
}

static int append_text(seccomp_key *key, const char *text) {
    return append(key, text, strlen(text) + 1);
}

static int append_value(seccomp_key *key, const json_t *value);

static int append_members(seccomp_key *key, const json_t *value) {
    const char *name;
    json_t *member;
    size_t index;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, name, member) {
            if (append_text(key, name) < 0 || append_value(key, member) < 0)
                return -1;
        }
    } else {
        json_array_foreach(value, index, member) {
            if (append_value(key, member) < 0)
                return -1;
        }
    }
    return append_mark(key, END);
}

static int append_value(seccomp_key *key, const json_t *value) {
    json_int_t integer = json_integer_value(value);
    double real = json_real_value(value);
    if (append_mark(key, (char)('a' + json_typeof(value))) < 0)
        return -1;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return append_members(key, value);
    case JSON_STRING:
        return append_text(key, json_string_value(value));
    case JSON_INTEGER:
        return append(key, &integer, sizeof integer);
    case JSON_REAL:
        return append(key, &real, sizeof real);
    default: // true, false and null are their kind
        return 0;
    }
}

int seccomp_key_make(const json_t *profile, seccomp_key *key) {
    *key = (seccomp_key){0};
    if (append_value(key, profile) == 0)
        return 0;
    seccomp_key_free(key);
    return -1;
}

uint64_t seccomp_key_hash(const seccomp_key *key) {
    uint64_t hash = 14695981039346656037u; // FNV-1a, but eight bytes at a time
    for (size_t at = 0; at < key->length; at += sizeof hash) {
        uint64_t piece = 0;
        size_t left = key->length - at;
        memcpy(&piece, key->bytes + at, left < sizeof piece ? left : sizeof piece);
        hash = (hash ^ piece) * 1099511628211u;
        hash ^= hash >> 32; // a product never carries downwards
    }
    return hash;
}

void seccomp_key_free(seccomp_key *key) {
    free(key->bytes);
    *key = (seccomp_key){0};
}
