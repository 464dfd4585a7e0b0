// The guest's end of a link (docs/protocol.md): one byte stream that may begin anywhere carries the control protocol
// and many attach streams. It knows no file descriptor: bytes that were read are given to link_receive, bytes to be
// written are taken with link_pending and link_sent.
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    LINK_VERSION = 1,
    LINK_PAYLOAD_MAX = 16384,
    LINK_CONTROL = 0,       // channel 0: control lines
    LINK_ITSELF = 1,        // channel 1: hello and closed
    LINK_FIRST_CHANNEL = 2, // attach streams
};

typedef struct link_endpoint link_endpoint;

// What the owner is told. None of these may free the endpoint; all may send.
typedef struct link_handlers {
    // A new host speaks (or the old one anew): every channel and every request of the earlier conversation is void. The
    // answer to the hello is already queued.
    void (*hello)(void *context);
    // Bytes of the control protocol's lines, cut anywhere.
    void (*control)(void *context, const uint8_t *bytes, size_t length);
    // Bytes of an attach stream, cut anywhere. The channel is one that is open.
    void (*data)(void *context, uint32_t channel, const uint8_t *bytes, size_t length);
    // The host ended a channel; it is closed already.
    void (*closed)(void *context, uint32_t channel);
    // link_pending has become non-zero: watch for the stream to become writable.
    void (*wants_write)(void *context);
} link_handlers;

link_endpoint *link_new(const link_handlers *handlers, void *context, bh_error *err);
void link_free(link_endpoint *l);

// Takes bytes that were read from the stream. What is not a packet is dropped without a word.
void link_receive(link_endpoint *l, const uint8_t *bytes, size_t length);

// A number for a new attach stream, or negative when LINK_CHANNELS_MAX are open. Numbers are not used again.
enum { LINK_CHANNELS_MAX = 256 };
int link_open_channel(link_endpoint *l, bh_error *err);
// Tells the host that a channel has ended (after what was sent on it). Nothing for a channel that is not open.
void link_close_channel(link_endpoint *l, uint32_t channel);

// Queues bytes on LINK_CONTROL or an open channel. What is sent before the host has said hello, or on a channel that is
// not open, is dropped: nobody waits for it. Negative only when there is no memory.
int link_send(link_endpoint *l, uint32_t channel, const void *bytes, size_t length, bh_error *err);

// Bytes queued. An owner that reads attach sockets stops while this is large; control lines are bounded by the host's
// requests.
size_t link_pending(const link_endpoint *l);
// The queued bytes, link_pending of them, valid until the endpoint is used again.
const uint8_t *link_front(const link_endpoint *l);
// Says that the first `length` of them have been written.
void link_sent(link_endpoint *l, size_t length);
