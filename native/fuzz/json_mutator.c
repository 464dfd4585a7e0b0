// Changes a document where it has meaning: a field goes, is doubled, or becomes another value. Changed byte by byte, a
// document is nearly always one that does not parse, and nothing behind the parser is reached.
// https://github.com/google/fuzzing/blob/master/docs/structure-aware-fuzzing.md
#include "base/cleanup.h"

#include <stdint.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

enum { NODES_MAX = 4096, STRING_MAX = 300 };

typedef struct mutation {
    uint64_t random;
    json_t *nodes[NODES_MAX]; // every value of the document
    size_t count;
} mutation;

static size_t pick(mutation *m, size_t below) {
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return below ? (size_t)(m->random >> 33) % below : 0;
}

static void collect(mutation *m, json_t *value) {
    if (m->count == NODES_MAX)
        return;
    m->nodes[m->count++] = value;
    const char *key;
    json_t *item;
    size_t index;
    json_object_foreach(value, key, item) collect(m, item);
    json_array_foreach(value, index, item) collect(m, item);
}

// libFuzzer's own mutations know the dictionary. Bytes above 127 would have to be UTF-8.
static json_t *changed_string(const json_t *string) {
    uint8_t text[STRING_MAX];
    size_t length = json_string_length(string) < sizeof text ? json_string_length(string) : sizeof text;
    if (length > 0)
        memcpy(text, json_string_value(string), length);
    length = LLVMFuzzerMutate(text, length, sizeof text);
    for (size_t i = 0; i < length; i++)
        text[i] &= 127;
    return json_stringn((const char *)text, length);
}

static json_t *new_value(mutation *m, const json_t *old) {
    static const json_int_t numbers[] = {0,       1,         -1,        2,         16,        31,
                                         32,      63,        64,        4095,      4096,      65535,
                                         1 << 20, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, (json_int_t)UINT32_MAX};
    switch (pick(m, 8)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(pick(m, 2));
    case 2:
        return json_integer(numbers[pick(m, sizeof numbers / sizeof *numbers)]);
    case 3:
        return pick(m, 2) ? json_array() : json_object();
    case 4: // of another place
        return json_deep_copy(m->nodes[pick(m, m->count)]);
    default:
        return json_is_integer(old) ? json_integer((json_int_t)((uint64_t)json_integer_value(old) + pick(m, 5) - 2))
                                    : changed_string(old);
    }
}

static void change_object(mutation *m, json_t *object) {
    size_t chosen = pick(m, json_object_size(object));
    void *at = json_object_iter(object);
    while (at && chosen-- > 0)
        at = json_object_iter_next(object, at);
    if (!at)
        return;
    switch (pick(m, 6)) {
    case 0:
        json_object_del(object, json_object_iter_key(at));
        break;
    case 1: { // the same under another name
        json_t *name = changed_string(NULL);
        json_object_set_new(object, json_string_value(name) ? json_string_value(name) : "",
                            json_deep_copy(json_object_iter_value(at)));
        json_decref(name);
        break;
    }
    default:
        json_object_iter_set_new(object, at, new_value(m, json_object_iter_value(at)));
    }
}

static void change_array(mutation *m, json_t *array) {
    size_t chosen = pick(m, json_array_size(array) + 1);
    json_t *old = json_array_get(array, chosen);
    switch (old ? pick(m, 4) : 0) {
    case 0:
        json_array_append_new(array, new_value(m, old));
        break;
    case 1:
        json_array_remove(array, chosen);
        break;
    case 2:
        json_array_insert_new(array, chosen, json_deep_copy(old));
        break;
    default:
        json_array_set_new(array, chosen, new_value(m, old));
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    mutation m = {.random = seed};
    cleanup_json json_t *document =
        pick(&m, 8) ? json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    if (!document)
        return LLVMFuzzerMutate(data, size, max_size);
    for (size_t edits = 1 + pick(&m, 3); edits > 0; edits--) {
        m.count = 0;
        collect(&m, document);
        json_t *node = m.nodes[pick(&m, m.count)];
        if (json_is_object(node))
            change_object(&m, node);
        else if (json_is_array(node))
            change_array(&m, node);
        else
            edits++; // a leaf is changed through what holds it
        if (m.count == 1 && !json_is_object(node) && !json_is_array(node))
            break;
    }
    size_t length = json_dumpb(document, (char *)data, max_size, JSON_COMPACT | JSON_ENCODE_ANY);
    return length > 0 && length <= max_size ? length : LLVMFuzzerMutate(data, size, max_size);
}
