// Attach frames: the golden vectors, streams cut anywhere, garbage.
#include "base/frame.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bh_error err;

static json_t *load_vectors(void) {
    json_error_t problem;
    json_t *vectors = json_load_file("../tests/vectors/attach.json", 0, &problem);
    if (!vectors)
        fail_msg("attach.json: %s (run from native/)", problem.text);
    return vectors;
}

// Decodes hex into a buffer of exactly its length, so that ASan sees any read past the end.
static uint8_t *from_hex(const char *hex, size_t *length) {
    *length = strlen(hex) / 2;
    uint8_t *bytes = malloc(*length > 0 ? *length : 1);
    for (size_t i = 0; i < *length; i++) {
        unsigned value = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        bytes[i] = (uint8_t)value;
    }
    return bytes;
}

static json_int_t number(json_t *fields, const char *key) {
    json_t *value = json_object_get(fields, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void expect_bytes(json_t *fields, const uint8_t *bytes, size_t length) {
    size_t wanted = 0;
    cleanup_free uint8_t *expected = from_hex(json_string_value(json_object_get(fields, "bytes")), &wanted);
    assert_int_equal(length, wanted);
    assert_memory_equal(bytes, expected, wanted);
}

static void expect_size(json_t *fields, frame_size size) {
    assert_int_equal(size.columns, number(fields, "columns"));
    assert_int_equal(size.rows, number(fields, "rows"));
}

static void expect_welcome(json_t *fields, const frame *f) {
    assert_int_equal(f->welcome.version, number(fields, "version"));
    assert_int_equal(f->welcome.flags, number(fields, "flags"));
    assert_int_equal(f->welcome.start, number(fields, "start"));
    assert_int_equal(f->welcome.live, number(fields, "live"));
    assert_int_equal(f->welcome.credit, number(fields, "credit"));
    expect_size(fields, f->welcome.size);
}

static void expect_fields(json_t *fields, const frame *f) {
    switch (f->opcode) {
    case FRAME_ROLE:
        assert_int_equal(f->role, number(fields, "role"));
        break;
    case FRAME_ATTACH:
        assert_int_equal(f->attach.version, number(fields, "version"));
        assert_int_equal(f->attach.offset, number(fields, "offset"));
        assert_int_equal(f->attach.credit, number(fields, "credit"));
        expect_size(fields, f->attach.size);
        break;
    case FRAME_INPUT:
    case FRAME_SNAPSHOT:
        expect_bytes(fields, f->input.bytes, f->input.length);
        break;
    case FRAME_RESIZE:
    case FRAME_SIZE:
        expect_size(fields, f->size);
        break;
    case FRAME_VIEWER_CREDIT:
    case FRAME_MONITOR_CREDIT:
        assert_int_equal(f->credit, number(fields, "credit"));
        break;
    case FRAME_WELCOME:
        expect_welcome(fields, f);
        break;
    case FRAME_OUTPUT:
        assert_int_equal(f->output.offset, number(fields, "offset"));
        expect_bytes(fields, f->output.bytes, f->output.length);
        break;
    case FRAME_EXIT:
        assert_int_equal(f->exit.kind, number(fields, "kind"));
        assert_int_equal(f->exit.status, number(fields, "status"));
        break;
    }
}

static const char *const names[256] = {
    [FRAME_ROLE] = "role",
    [FRAME_ATTACH] = "attach",
    [FRAME_INPUT] = "input",
    [FRAME_RESIZE] = "resize",
    [FRAME_VIEWER_CREDIT] = "viewerCredit",
    [FRAME_WELCOME] = "welcome",
    [FRAME_OUTPUT] = "output",
    [FRAME_SIZE] = "size",
    [FRAME_EXIT] = "exit",
    [FRAME_MONITOR_CREDIT] = "monitorCredit",
    [FRAME_SNAPSHOT] = "snapshot",
};

static void every_golden_frame_is_read_and_written_alike(void **state) {
    (void)state;
    cleanup_json json_t *vectors = load_vectors();
    size_t index;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "valid"), index, vector) {
        size_t length = 0;
        cleanup_free uint8_t *bytes = from_hex(json_string_value(json_object_get(vector, "hex")), &length);
        json_t *fields = json_object_get(vector, "fields");
        frame f;
        assert_int_equal(frame_parse(bytes, length, &f, &err), 0);
        assert_string_equal(names[f.opcode], json_string_value(json_object_get(fields, "frame")));
        expect_fields(fields, &f);

        uint8_t written[FRAME_SMALL];
        assert_int_equal(frame_write(&f, written, sizeof written), FRAME_LENGTH_SIZE + length);
        assert_memory_equal(written, ((uint8_t[]){0, 0, 0, (uint8_t)length}), FRAME_LENGTH_SIZE);
        assert_memory_equal(written + FRAME_LENGTH_SIZE, bytes, length);
        for (size_t room = 0; room < FRAME_LENGTH_SIZE + length; room++) {
            cleanup_free uint8_t *small = malloc(room + 1);
            assert_int_equal(frame_write(&f, small, room), 0);
        }
    }
    assert_true(index > 15);
}

static void no_invalid_frame_is_taken(void **state) {
    (void)state;
    cleanup_json json_t *vectors = load_vectors();
    size_t index;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "invalid"), index, vector) {
        size_t length = 0;
        cleanup_free uint8_t *bytes = from_hex(json_string_value(json_object_get(vector, "hex")), &length);
        frame f;
        if (frame_parse(bytes, length, &f, &err) != -1)
            fail_msg("taken: %s", json_string_value(json_object_get(vector, "name")));
    }
    assert_true(index > 10);
}

typedef struct seen {
    int frames;
    size_t input_bytes;
    uint64_t sum;
} seen;

static int note(void *context, const frame *f, bh_error *problem) {
    (void)problem;
    seen *s = context;
    s->frames++;
    if (f->opcode == FRAME_INPUT) {
        s->input_bytes += f->input.length;
        for (size_t i = 0; i < f->input.length; i++)
            s->sum = s->sum * 31 + f->input.bytes[i];
    }
    return 0;
}

static void a_stream_means_the_same_however_it_is_cut(void **state) {
    (void)state;
    static uint8_t stream[80000], payload[FRAME_MAX - 1];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7);
    size_t length = 0;
    const frame frames[] = {
        {.opcode = FRAME_ROLE, .role = 1},
        {.opcode = FRAME_INPUT, .input = {payload, 300}},
        {.opcode = FRAME_INPUT, .input = {payload, 0}},
        {.opcode = FRAME_INPUT, .input = {payload, sizeof payload}},
        {.opcode = FRAME_VIEWER_CREDIT, .credit = 1},
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        size_t written = frame_write(&frames[i], stream + length, sizeof stream - length);
        assert_true(written > 0);
        length += written;
    }

    seen whole = {0};
    frame_reader reader = {0};
    assert_int_equal(frame_reader_feed(&reader, stream, length, note, &whole, &err), 0);
    assert_int_equal(whole.frames, 5);
    assert_int_equal(whole.input_bytes, 300 + FRAME_MAX - 1);

    for (size_t piece = 1; piece < 40; piece++) {
        seen cut = {0};
        for (size_t at = 0; at < length; at += piece) {
            size_t take = length - at < piece ? length - at : piece;
            assert_int_equal(frame_reader_feed(&reader, stream + at, take, note, &cut, &err), 0);
        }
        assert_memory_equal(&cut, &whole, sizeof cut);
        assert_null(reader.partial);
    }
}

static void a_length_beyond_the_maximum_is_refused_before_memory_is_taken(void **state) {
    (void)state;
    seen s = {0};
    frame_reader reader = {0};
    assert_int_equal(frame_reader_feed(&reader, (const uint8_t[]){0, 1, 0, 1}, 4, note, &s, &err), -1);
    assert_null(reader.partial);
    frame_reader_clear(&reader);
    assert_int_equal(frame_reader_feed(&reader, (const uint8_t[]){0, 0, 0, 0}, 4, note, &s, &err), -1);
    frame_reader_clear(&reader);
}

static int refuse(void *context, const frame *f, bh_error *problem) {
    (void)f;
    ++*(int *)context;
    return bh_fail(problem, 0, "not this one");
}

static void a_refused_frame_ends_the_reading(void **state) {
    (void)state;
    int calls = 0;
    frame_reader reader = {0};
    const uint8_t two[] = {0, 0, 0, 2, 0, 0, 0, 0, 0, 2, 0, 0};
    assert_int_equal(frame_reader_feed(&reader, two, sizeof two, refuse, &calls, &err), -1);
    assert_int_equal(calls, 1);
    assert_string_equal(err.message, "not this one");
}

static void garbage_never_hurts(void **state) {
    (void)state;
    unsigned seed = 20131;
    for (int round = 0; round < 20000; round++) {
        size_t length = (size_t)(rand_r(&seed) % 60);
        cleanup_free uint8_t *bytes = malloc(length + 1);
        for (size_t i = 0; i < length; i++) // small values are likely, so that many lengths are plausible
            bytes[i] = (uint8_t)(rand_r(&seed) % 3 ? rand_r(&seed) % 8 : rand_r(&seed));
        frame f;
        frame_parse(bytes, length, &f, &err);
        seen s = {0};
        frame_reader reader = {0};
        size_t half = length / 2;
        if (frame_reader_feed(&reader, bytes, half, note, &s, &err) == 0)
            frame_reader_feed(&reader, bytes + half, length - half, note, &s, &err);
        frame_reader_clear(&reader);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_frame_is_read_and_written_alike),
        cmocka_unit_test(no_invalid_frame_is_taken),
        cmocka_unit_test(a_stream_means_the_same_however_it_is_cut),
        cmocka_unit_test(a_length_beyond_the_maximum_is_refused_before_memory_is_taken),
        cmocka_unit_test(a_refused_frame_ends_the_reading),
        cmocka_unit_test(garbage_never_hurts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
