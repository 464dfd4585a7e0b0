// The guest's end of a link: see link.h.
#include "base/link.h"

#include "base/byte_queue.h"
#include "base/cleanup.h"
#include "base/cobs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum {
    HEAD = 8, // channel, length of payload
    CONTENT_MAX = HEAD + LINK_PAYLOAD_MAX,
    ENCODED_MAX = COBS_MAX(CONTENT_MAX),
    NONCE_MAX = 128,
};

struct link_endpoint {
    link_handlers handlers;
    void *context;

    char nonce[NONCE_MAX + 1]; // of the conversation; empty until the host has said hello
    uint32_t channels[LINK_CHANNELS_MAX];
    size_t channel_count;
    uint32_t next_channel;

    byte_queue out;
    bool mid_packet; // the last byte written was not the end of a packet

    uint8_t in[ENCODED_MAX]; // a packet so far
    size_t in_length;
    bool in_too_long; // dropped up to the next zero
};

link_endpoint *link_new(const link_handlers *handlers, void *context, bh_error *err) {
    link_endpoint *l = calloc(1, sizeof *l);
    if (!l) {
        bh_fail(err, ENOMEM, "cannot make a link");
        return NULL;
    }
    l->handlers = *handlers;
    l->context = context;
    l->next_channel = LINK_FIRST_CHANNEL;
    // The program here before us may have died inside a packet: end it.
    l->mid_packet = true;
    return l;
}

void link_free(link_endpoint *l) {
    if (!l)
        return;
    byte_queue_clear(&l->out);
    free(l);
}

static void put32(uint8_t *out, uint32_t value) {
    for (int i = 3; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *in) {
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static int queue(link_endpoint *l, const uint8_t *bytes, size_t length, bh_error *err) {
    bool was_empty = l->out.length == 0;
    if (byte_queue_append(&l->out, bytes, length, err) < 0)
        return -1;
    if (was_empty)
        l->handlers.wants_write(l->context);
    return 0;
}

// `length` is at most LINK_PAYLOAD_MAX.
static int queue_packet(link_endpoint *l, uint32_t channel, const uint8_t *payload, size_t length, bh_error *err) {
    uint8_t content[CONTENT_MAX], encoded[ENCODED_MAX + 1];
    put32(content, channel);
    put32(content + 4, (uint32_t)length);
    memcpy(content + HEAD, payload, length);
    size_t encoded_length = cobs_encode(content, HEAD + length, encoded);
    encoded[encoded_length++] = 0;
    return queue(l, encoded, encoded_length, err);
}

static int send_json(link_endpoint *l, json_t *stolen, bh_error *err) {
    cleanup_json json_t *object = stolen;
    cleanup_free char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot write to the link");
    return queue_packet(l, LINK_ITSELF, (const uint8_t *)text, strlen(text), err);
}

static size_t find_channel(const link_endpoint *l, uint32_t channel) {
    size_t i = 0;
    while (i < l->channel_count && l->channels[i] != channel)
        i++;
    return i;
}

static bool forget_channel(link_endpoint *l, uint32_t channel) {
    size_t i = find_channel(l, channel);
    if (i == l->channel_count)
        return false;
    l->channels[i] = l->channels[--l->channel_count];
    return true;
}

int link_open_channel(link_endpoint *l, bh_error *err) {
    if (l->channel_count == LINK_CHANNELS_MAX)
        return bh_fail(err, 0, "%d terminals are attached over this link already", LINK_CHANNELS_MAX);
    l->channels[l->channel_count++] = l->next_channel;
    return (int)l->next_channel++;
}

void link_close_channel(link_endpoint *l, uint32_t channel) {
    bh_error err;
    // Without the memory for it the host is not told: it sees a silent terminal, and its user closes it.
    if (forget_channel(l, channel))
        send_json(l, json_pack("{s:I}", "closed", (json_int_t)channel), &err);
}

int link_send(link_endpoint *l, uint32_t channel, const void *bytes, size_t length, bh_error *err) {
    bool open = channel == LINK_CONTROL || find_channel(l, channel) < l->channel_count;
    if (!open || l->nonce[0] == '\0')
        return 0;
    for (size_t at = 0; at < length; at += LINK_PAYLOAD_MAX) {
        size_t piece = length - at < LINK_PAYLOAD_MAX ? length - at : LINK_PAYLOAD_MAX;
        if (queue_packet(l, channel, (const uint8_t *)bytes + at, piece, err) < 0)
            return -1;
    }
    return 0;
}

size_t link_pending(const link_endpoint *l) {
    return l->out.length;
}

const uint8_t *link_front(const link_endpoint *l) {
    return byte_queue_front(&l->out);
}

void link_sent(link_endpoint *l, size_t length) {
    if (length == 0)
        return;
    l->mid_packet = byte_queue_front(&l->out)[length - 1] != 0;
    byte_queue_consume(&l->out, length);
}

// A hello that is said again, because our answer had not arrived yet, is answered again and changes nothing: the host
// says nothing else before it has seen an answer.
static void receive_hello(link_endpoint *l, const char *nonce) {
    if (strlen(nonce) > NONCE_MAX)
        return;
    bool anew = strcmp(nonce, l->nonce) != 0;
    if (anew) {
        snprintf(l->nonce, sizeof l->nonce, "%s", nonce);
        l->channel_count = 0;
        // What still waits is of the earlier conversation. A packet of it that is half written must be ended.
        byte_queue_clear(&l->out);
    }
    bh_error err;
    if (l->mid_packet && l->out.length == 0 && queue(l, (const uint8_t *)"", 1, &err) < 0)
        return;
    // Unanswered for want of memory, the host says hello again.
    if (send_json(l, json_pack("{s:s, s:i}", "hello", nonce, "version", LINK_VERSION), &err) < 0)
        return;
    if (anew)
        l->handlers.hello(l->context);
}

static void receive_link(link_endpoint *l, const uint8_t *payload, size_t length) {
    json_error_t problem;
    cleanup_json json_t *message = json_loadb((const char *)payload, length, JSON_REJECT_DUPLICATES, &problem);
    const char *nonce = json_string_value(json_object_get(message, "hello"));
    json_t *closed = json_object_get(message, "closed");
    if (nonce && nonce[0] != '\0') {
        receive_hello(l, nonce);
    } else if (json_is_integer(closed)) {
        json_int_t channel = json_integer_value(closed);
        if (channel >= LINK_FIRST_CHANNEL && channel <= UINT32_MAX && forget_channel(l, (uint32_t)channel))
            l->handlers.closed(l->context, (uint32_t)channel);
    }
}

// Decodes what came before a zero, in place.
static void receive_packet(link_endpoint *l) {
    ssize_t length = cobs_decode(l->in, l->in_length, l->in);
    if (length < HEAD || length > CONTENT_MAX || get32(l->in + 4) != (uint32_t)length - HEAD)
        return;
    uint32_t channel = get32(l->in);
    const uint8_t *payload = l->in + HEAD;
    size_t payload_length = (size_t)length - HEAD;

    if (channel == LINK_ITSELF)
        receive_link(l, payload, payload_length);
    else if (l->nonce[0] == '\0')
        return; // of a conversation that this program did not have
    else if (channel == LINK_CONTROL)
        l->handlers.control(l->context, payload, payload_length);
    else if (find_channel(l, channel) < l->channel_count)
        l->handlers.data(l->context, channel, payload, payload_length);
}

void link_receive(link_endpoint *l, const uint8_t *bytes, size_t length) {
    while (length > 0) {
        const uint8_t *zero = memchr(bytes, 0, length);
        size_t piece = zero ? (size_t)(zero - bytes) : length;
        if (piece > sizeof l->in - l->in_length)
            l->in_too_long = true;
        if (!l->in_too_long) {
            memcpy(l->in + l->in_length, bytes, piece);
            l->in_length += piece;
        }
        if (!zero)
            return;
        if (!l->in_too_long)
            receive_packet(l);
        l->in_length = 0;
        l->in_too_long = false;
        bytes += piece + 1;
        length -= piece + 1;
    }
}
