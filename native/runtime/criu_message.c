// Protocol buffers by hand: a key (field number and type), then a number of seven bits a byte or a length and bytes.
// See criu_message.h; the numbers are those of CRIU's images/rpc.proto.
#include "runtime/criu_message.h"

#include <string.h>

enum { NUMBER = 0, EIGHT_BYTES = 1, BYTES = 2, FOUR_BYTES = 5 };

enum {
    REQUEST_TYPE = 1,
    REQUEST_OPTIONS = 2,
    REQUEST_GO_ON = 3,

    OPTION_IMAGES = 1,
    OPTION_PID = 2,
    OPTION_LEAVE_RUNNING = 3,
    OPTION_FILE_LOCKS = 8,
    OPTION_LOG_LEVEL = 9,
    OPTION_LOG_FILE = 10,
    OPTION_NOTIFY = 12,
    OPTION_ROOT = 13,
    OPTION_LINK_REMAP = 18,
    OPTION_CGROUPS = 24,
    OPTION_CGROUPS_MODE = 34,
    OPTION_GHOST_LIMIT = 35,
    OPTION_EXTERNAL = 37,
    OPTION_ORPHAN_PTS_MASTER = 50,
    OPTION_NETWORK_LOCK = 64,

    ANSWER_TYPE = 1,
    ANSWER_SUCCESS = 2,
    ANSWER_RESTORE = 4,
    ANSWER_NOTIFY = 5,

    RESTORE_PID = 1,
    CGROUPS_SOFT = 3,
    LOCK_WITH_NFTABLES = 2,

    GHOST_BYTES = 4 * 1024 * 1024,
    NOTIFY_SCRIPT = 1,
};

static void put(criu_message *m, const void *bytes, size_t length) {
    m->cut |= length > sizeof m->bytes - m->length;
    if (m->cut)
        return;
    memcpy(m->bytes + m->length, bytes, length);
    m->length += length;
}

static void put_varint(criu_message *m, uint64_t value) {
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(m, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_number(criu_message *m, unsigned field, uint64_t value) {
    put_varint(m, field << 3 | NUMBER);
    put_varint(m, value);
}

static void put_bytes(criu_message *m, unsigned field, const void *bytes, size_t length) {
    put_varint(m, field << 3 | BYTES);
    put_varint(m, length);
    put(m, bytes, length);
}

static void put_text(criu_message *m, unsigned field, const char *text) {
    if (text)
        put_bytes(m, field, text, strlen(text));
}

void criu_write_request(criu_message *m, criu_kind kind, const criu_options *o) {
    criu_message options = {.length = 0};
    put_number(&options, OPTION_IMAGES, (uint64_t)o->images);
    if (o->pid > 0)
        put_number(&options, OPTION_PID, (uint64_t)o->pid);
    put_number(&options, OPTION_LEAVE_RUNNING, true);
    put_number(&options, OPTION_LOG_LEVEL, 2); // warnings: CRIU buffers them, and it has much to say
    put_text(&options, OPTION_LOG_FILE, o->log_file);
    put_number(&options, OPTION_NOTIFY, true);
    put_text(&options, OPTION_ROOT, o->root);
    put_number(&options, OPTION_ORPHAN_PTS_MASTER, true);
    put_number(&options, OPTION_FILE_LOCKS, true);
    // Files that are deleted but open come along, up to this size; those that have another name by that name.
    put_number(&options, OPTION_GHOST_LIMIT, GHOST_BYTES);
    put_number(&options, OPTION_LINK_REMAP, true);
    // Groups are named as before, and those that are there keep the limits that they have here.
    put_number(&options, OPTION_CGROUPS, true);
    put_number(&options, OPTION_CGROUPS_MODE, CGROUPS_SOFT);
    // Mounts of single files of the host's (/dev/null, and what is covered with it) are found again by their path.
    put_text(&options, OPTION_EXTERNAL, "mnt[]");
    // No packet may come while nobody is there to take it. Our images have nft, and not iptables. (Said in a
    // configuration file instead, this very option ends CRIU 4.1.1 with a segmentation fault.)
    put_number(&options, OPTION_NETWORK_LOCK, LOCK_WITH_NFTABLES);
    *m = (criu_message){.cut = options.cut};
    put_number(m, REQUEST_TYPE, kind);
    put_bytes(m, REQUEST_OPTIONS, options.bytes, options.length);
}

void criu_write_reply(criu_message *m, bool go_on) {
    *m = (criu_message){.length = 0};
    put_number(m, REQUEST_TYPE, CRIU_NOTIFY);
    put_number(m, REQUEST_GO_ON, go_on);
}

typedef struct reader {
    const uint8_t *at, *end;
    bool broken;
} reader;

static uint64_t take_varint(reader *r) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end)
            break;
        uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    r->broken = true;
    return 0;
}

static void skip(reader *r, uint64_t length) {
    r->broken |= length > (uint64_t)(r->end - r->at);
    r->at = r->broken ? r->end : r->at + length;
}

// The next field: its number, or 0 at the end. A number is in *value; of bytes *value is the length and *bytes where.
static uint64_t take_field(reader *r, uint64_t *value, const uint8_t **bytes) {
    *bytes = NULL;
    *value = 0;
    if (r->broken || r->at == r->end)
        return 0;
    uint64_t key = take_varint(r);
    switch (key & 7) {
    case NUMBER:
        *value = take_varint(r);
        break;
    case BYTES:
        *value = take_varint(r);
        *bytes = r->at;
        skip(r, *value);
        break;
    case EIGHT_BYTES:
        skip(r, 8);
        break;
    case FOUR_BYTES:
        skip(r, 4);
        break;
    default:
        r->broken = true;
    }
    return r->broken ? 0 : key >> 3;
}

static void read_inner(uint64_t of, reader inner, criu_answer *a) {
    uint64_t value;
    const uint8_t *bytes;
    for (uint64_t field; (field = take_field(&inner, &value, &bytes));) {
        if (of == ANSWER_RESTORE && field == RESTORE_PID)
            a->pid = (pid_t)value;
        else if (of == ANSWER_NOTIFY && field == NOTIFY_SCRIPT && bytes && value < sizeof a->stage)
            memcpy(a->stage, bytes, (size_t)value);
    }
}

int criu_read_answer(const uint8_t *bytes, size_t length, criu_answer *a, bh_error *err) {
    reader r = {bytes, bytes + length, false};
    uint64_t value;
    const uint8_t *inner;
    *a = (criu_answer){.success = false};
    for (uint64_t field; (field = take_field(&r, &value, &inner));) {
        if (field == ANSWER_TYPE)
            a->kind = (criu_kind)value;
        else if (field == ANSWER_SUCCESS)
            a->success = value != 0;
        else if (inner)
            read_inner(field, (reader){inner, inner + value, false}, a);
    }
    return r.broken || !a->kind ? bh_fail(err, 0, "CRIU said something that is no answer") : 0;
}
