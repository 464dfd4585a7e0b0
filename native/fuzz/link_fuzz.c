// The link: COBS both ways, and a guest's end that hears anything at all.
#include "base/cleanup.h"
#include "base/cobs.h"
#include "base/link.h"
#include "fuzz/fuzz.h"

#include <string.h>

static link_endpoint *l;

static void on_hello(void *context) {
    (void)context;
    bh_error err;
    for (int i = 0; i < 3; i++)
        link_open_channel(l, &err);
}
static void on_control(void *context, const uint8_t *bytes, size_t length) {
    (void)context;
    bh_error err;
    fuzz_promise(length <= LINK_PAYLOAD_MAX);
    link_send(l, LINK_CONTROL, bytes, length, &err);
}
static void on_data(void *context, uint32_t channel, const uint8_t *bytes, size_t length) {
    (void)context;
    bh_error err;
    fuzz_promise(channel >= LINK_FIRST_CHANNEL && length <= LINK_PAYLOAD_MAX);
    link_send(l, channel, bytes, length, &err);
    if (length == 1)
        link_close_channel(l, channel);
}
static void on_closed(void *context, uint32_t channel) {
    (void)context;
    fuzz_promise(channel >= LINK_FIRST_CHANNEL);
}
static void on_wants_write(void *context) {
    (void)context;
}

static void check_cobs(const uint8_t *data, size_t size) {
    cleanup_free uint8_t *encoded = malloc(COBS_MAX(size)), *decoded = malloc(COBS_MAX(size) + 1);
    size_t length = cobs_encode(data, size, encoded);
    fuzz_promise(length <= COBS_MAX(size) && !memchr(encoded, 0, length));
    fuzz_promise(cobs_decode(encoded, length, decoded) == (ssize_t)size && memcmp(decoded, data, size) == 0);
    // And the other way round: what decodes is what would have been written.
    ssize_t plain = cobs_decode(data, size, decoded);
    if (plain < 0)
        return;
    cleanup_free uint8_t *again = malloc(COBS_MAX((size_t)plain));
    size_t again_length = cobs_encode(decoded, (size_t)plain, again);
    // A full run at the end may be followed by an empty one: read, but never written.
    fuzz_promise(again_length == size || again_length + 1 == size);
    fuzz_promise(memcmp(again, data, again_length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const link_handlers handlers = {on_hello, on_control, on_data, on_closed, on_wants_write};
    bh_error err = {0};
    check_cobs(data, size);
    l = link_new(&handlers, NULL, &err);
    // In two pieces, as a port gives them.
    link_receive(l, data, size / 2);
    link_receive(l, data + size / 2, size - size / 2);
    while (link_pending(l) > 0) {
        size_t some = link_pending(l) < 5000 ? link_pending(l) : 5000;
        fuzz_promise(link_front(l) != NULL);
        link_sent(l, some);
    }
    link_free(l);
    return 0;
}
