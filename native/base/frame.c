// Attach frames: see frame.h.
#include "base/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// A place in a frame being read or written. Running past the end sets `bad` and yields zeros, so that a whole body is
// read first and judged once.
typedef struct cursor {
    const uint8_t *in;
    uint8_t *out;
    size_t left;
    bool bad;
} cursor;

static uint64_t get(cursor *c, size_t bytes) {
    if (c->left < bytes) {
        c->bad = true;
        c->left = 0;
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | *c->in++;
    c->left -= bytes;
    return value;
}

static uint8_t get8(cursor *c) {
    return (uint8_t)get(c, 1);
}
static uint32_t get32(cursor *c) {
    return (uint32_t)get(c, 4);
}
static frame_size get_size(cursor *c) {
    uint16_t columns = (uint16_t)get(c, 2);
    return (frame_size){columns, (uint16_t)get(c, 2)};
}

// The rest of the body, whatever its length.
static const uint8_t *get_rest(cursor *c, size_t *length) {
    *length = c->left;
    c->left = 0;
    return c->in;
}

static void put(cursor *c, uint64_t value, size_t bytes) {
    if (c->left < bytes) {
        c->bad = true;
        c->left = 0;
        return;
    }
    for (size_t i = bytes; i-- > 0; value >>= 8)
        c->out[i] = (uint8_t)value;
    c->out += bytes;
    c->left -= bytes;
}

static void put_size(cursor *c, frame_size size) {
    put(c, size.columns, 2);
    put(c, size.rows, 2);
}

static void put_bytes(cursor *c, const uint8_t *bytes, size_t length) {
    if (c->left < length) {
        c->bad = true;
        c->left = 0;
        return;
    }
    memcpy(c->out, bytes, length);
    c->out += length;
    c->left -= length;
}

int frame_parse(const uint8_t *data, size_t length, frame *out, bh_error *err) {
    if (length == 0 || length > FRAME_MAX)
        return bh_fail(err, 0, "a frame of %zu bytes (1 to %d are allowed)", length, FRAME_MAX);

    cursor c = {.in = data, .left = length};
    *out = (frame){.opcode = get8(&c)};
    switch (out->opcode) {
    case FRAME_ROLE:
        out->role = get8(&c);
        break;
    case FRAME_ATTACH:
        out->attach.version = get8(&c);
        out->attach.offset = get(&c, 8);
        out->attach.credit = get32(&c);
        out->attach.size = get_size(&c);
        break;
    case FRAME_INPUT:
    case FRAME_SNAPSHOT:
        out->input.bytes = get_rest(&c, &out->input.length);
        break;
    case FRAME_RESIZE:
    case FRAME_SIZE:
        out->size = get_size(&c);
        break;
    case FRAME_VIEWER_CREDIT:
    case FRAME_MONITOR_CREDIT:
        out->credit = get32(&c);
        break;
    case FRAME_WELCOME:
        out->welcome.version = get8(&c);
        out->welcome.flags = get8(&c);
        out->welcome.start = get(&c, 8);
        out->welcome.live = get(&c, 8);
        out->welcome.size = get_size(&c);
        out->welcome.credit = get32(&c);
        break;
    case FRAME_OUTPUT:
        out->output.offset = get(&c, 8);
        out->output.bytes = get_rest(&c, &out->output.length);
        break;
    case FRAME_EXIT:
        out->exit.kind = get8(&c);
        out->exit.status = (int32_t)get32(&c);
        break;
    default:
        return bh_fail(err, 0, "unknown frame opcode 0x%02x", data[0]);
    }
    if (c.bad || c.left > 0)
        return bh_fail(err, 0, "a frame with opcode 0x%02x cannot be %zu bytes long", data[0], length);
    return 0;
}

static void put_body(cursor *c, const frame *f) {
    put(c, f->opcode, 1);
    switch (f->opcode) {
    case FRAME_ROLE:
        put(c, f->role, 1);
        break;
    case FRAME_ATTACH:
        put(c, f->attach.version, 1);
        put(c, f->attach.offset, 8);
        put(c, f->attach.credit, 4);
        put_size(c, f->attach.size);
        break;
    case FRAME_INPUT:
    case FRAME_SNAPSHOT:
        put_bytes(c, f->input.bytes, f->input.length);
        break;
    case FRAME_RESIZE:
    case FRAME_SIZE:
        put_size(c, f->size);
        break;
    case FRAME_VIEWER_CREDIT:
    case FRAME_MONITOR_CREDIT:
        put(c, f->credit, 4);
        break;
    case FRAME_WELCOME:
        put(c, f->welcome.version, 1);
        put(c, f->welcome.flags, 1);
        put(c, f->welcome.start, 8);
        put(c, f->welcome.live, 8);
        put_size(c, f->welcome.size);
        put(c, f->welcome.credit, 4);
        break;
    case FRAME_OUTPUT:
        put(c, f->output.offset, 8);
        put_bytes(c, f->output.bytes, f->output.length);
        break;
    case FRAME_EXIT:
        put(c, f->exit.kind, 1);
        put(c, (uint32_t)f->exit.status, 4);
        break;
    default:
        c->bad = true;
    }
}

size_t frame_write(const frame *f, uint8_t *out, size_t size) {
    if (size < FRAME_LENGTH_SIZE)
        return 0;
    cursor body = {.out = out + FRAME_LENGTH_SIZE, .left = size - FRAME_LENGTH_SIZE};
    put_body(&body, f);
    size_t length = (size_t)(body.out - out) - FRAME_LENGTH_SIZE;
    if (body.bad || length > FRAME_MAX)
        return 0;

    cursor head = {.out = out, .left = FRAME_LENGTH_SIZE};
    put(&head, length, FRAME_LENGTH_SIZE);
    return FRAME_LENGTH_SIZE + length;
}

void frame_write_output_head(uint64_t offset, size_t length, uint8_t *out) {
    cursor c = {.out = out, .left = FRAME_OUTPUT_HEAD};
    put(&c, 1 + 8 + length, FRAME_LENGTH_SIZE);
    put(&c, FRAME_OUTPUT, 1);
    put(&c, offset, 8);
}

void frame_write_snapshot_head(size_t length, uint8_t *out) {
    cursor c = {.out = out, .left = FRAME_LENGTH_SIZE + 1};
    put(&c, 1 + length, FRAME_LENGTH_SIZE);
    put(&c, FRAME_SNAPSHOT, 1);
}

static size_t body_length(const frame_reader *reader) {
    cursor c = {.in = reader->length, .left = FRAME_LENGTH_SIZE};
    return get32(&c);
}

// Copies bytes towards `wanted` of them and moves *data on. True once all are there.
static bool fill(uint8_t *to, size_t *seen, size_t wanted, const uint8_t **data, size_t *length) {
    size_t take = wanted - *seen < *length ? wanted - *seen : *length;
    memcpy(to + *seen, *data, take);
    *seen += take;
    *data += take;
    *length -= take;
    return *seen == wanted;
}

int frame_reader_feed(frame_reader *reader, const uint8_t *data, size_t length,
                      int (*take)(void *context, const frame *f, bh_error *err), void *context, bh_error *err) {
    while (length > 0) {
        if (reader->length_seen < FRAME_LENGTH_SIZE &&
            !fill(reader->length, &reader->length_seen, FRAME_LENGTH_SIZE, &data, &length))
            return 0;

        // The length is judged before anything is allocated for it.
        size_t wanted = body_length(reader);
        if (wanted == 0 || wanted > FRAME_MAX)
            return bh_fail(err, 0, "a frame of %zu bytes (1 to %d are allowed)", wanted, FRAME_MAX);

        const uint8_t *body = data;
        if (!reader->partial && length >= wanted) { // whole, as nearly always: parsed where it lies
            data += wanted;
            length -= wanted;
        } else {
            if (length == 0)
                return 0;
            if (!reader->partial && !(reader->partial = malloc(wanted)))
                return bh_fail(err, ENOMEM, "cannot hold a frame of %zu bytes", wanted);
            if (!fill(reader->partial, &reader->seen, wanted, &data, &length))
                return 0;
            body = reader->partial;
        }

        frame f;
        int result = frame_parse(body, wanted, &f, err);
        if (result >= 0)
            result = take(context, &f, err);
        frame_reader_clear(reader);
        if (result < 0)
            return -1;
    }
    return 0;
}

void frame_reader_clear(frame_reader *reader) {
    free(reader->partial);
    *reader = (frame_reader){0};
}
