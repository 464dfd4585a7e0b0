// Talking to a guest's broker: see vm_hello.h. The guest belongs to a learner: what it sends is bounded in size and
// time.
#include "broker/vm_hello.h"

#include "base/cleanup.h"
#include "base/cobs.h"
#include "base/link.h"
#include "base/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#define REPEAT_MS 250
#define HEAD 8 // channel and length, big-endian
#define TEXT_MAX 2048
// COBS adds a byte to every 254.
#define PACKET_MAX (HEAD + TEXT_MAX + 16)

// One conversation. A packet is collected up to its zero; what is longer than we ever wait for is dropped.
typedef struct guest_link {
    int fd;
    const char *path;
    uint8_t bytes[512]; // received, of which `at` have been looked at
    size_t received, at;
    uint8_t packet[PACKET_MAX + 1];
    size_t length;
} guest_link;

static void close_link(guest_link *l) {
    if (l->fd >= 0)
        close(l->fd);
}
#define cleanup_link __attribute__((cleanup(close_link)))

static int open_link(guest_link *l, const char *path, bh_error *err) {
    *l = (guest_link){.fd = -1, .path = path};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path)
        return bh_fail(err, ENAMETOOLONG, "cannot connect to %s", path);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return bh_fail(err, errno, "cannot connect to %s", path);
    return 0;
}

static int send_text(const guest_link *l, uint8_t channel, const char *text, bh_error *err) {
    uint8_t content[HEAD + TEXT_MAX] = {0}, packet[PACKET_MAX + 2];
    size_t length = strlen(text);
    if (length > TEXT_MAX)
        return bh_fail(err, E2BIG, "%zu bytes are too much to ask of a guest at once", length);
    content[3] = channel;
    content[6] = (uint8_t)(length >> 8);
    content[7] = (uint8_t)length;
    memcpy(content + HEAD, text, length);
    packet[0] = 0; // ends whatever half packet an earlier life left in the port
    size_t encoded = cobs_encode(content, HEAD + length, packet + 1);
    packet[1 + encoded] = 0;
    // EAGAIN: QEMU has stopped reading until the guest does; whoever calls says it again, or runs out of time.
    if (send(l->fd, packet, encoded + 2, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        return bh_fail(err, 0, "the VM ended before it had booted");
    return 0;
}

// The end of a packet has come: its channel, with the text behind HEAD ended by a NUL; negative for what is no packet.
static int finish_packet(guest_link *l) {
    size_t length = l->length;
    l->length = 0;
    if (length > PACKET_MAX)
        return -1;
    ssize_t decoded = cobs_decode(l->packet, length, l->packet);
    if (decoded < HEAD || l->packet[0] || l->packet[1] || l->packet[2])
        return -1;
    l->packet[decoded] = '\0';
    return l->packet[3];
}

// The next packet's channel; negative with *err set when the link has gone, and with ETIMEDOUT at the deadline.
static int receive(guest_link *l, uint64_t deadline, bh_error *err) {
    for (;;) {
        while (l->at < l->received) {
            uint8_t byte = l->bytes[l->at++];
            if (byte != 0) {
                if (l->length <= PACKET_MAX)
                    l->packet[l->length++] = byte;
                continue;
            }
            int channel = finish_packet(l);
            if (channel >= 0)
                return channel;
        }
        uint64_t now = loop_now_ms();
        struct pollfd ready = {l->fd, POLLIN, 0};
        if (now >= deadline || poll(&ready, 1, (int)(deadline - now)) == 0)
            return bh_fail(err, ETIMEDOUT, "the guest does not answer");
        ssize_t got = recv(l->fd, l->bytes, sizeof l->bytes, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return bh_fail(err, 0, "the VM ended before it had booted");
        l->received = got > 0 ? (size_t)got : 0;
        l->at = 0;
    }
}

static const char *text_of(const guest_link *l) {
    return (const char *)l->packet + HEAD;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

// Until our own nonce comes back, everything is of an earlier conversation. A hello is lost as long as the guest has
// not opened its port, hence the repetition.
static int greet(guest_link *l, uint64_t deadline, bh_error *err) {
    uint8_t random[16];
    char nonce[2 * sizeof random + 1], hello[128];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return bh_fail(err, errno, "cannot get random bytes");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(nonce + 2 * i, 3, "%02x", random[i]);
    snprintf(hello, sizeof hello, "{\"hello\":\"%s\",\"version\":%d}", nonce, LINK_VERSION);
    while (loop_now_ms() < deadline) {
        if (send_text(l, LINK_ITSELF, hello, err) < 0)
            return -1;
        bh_error why = {0};
        uint64_t next = earlier(deadline, loop_now_ms() + REPEAT_MS);
        for (int channel; (channel = receive(l, next, &why)) >= 0;)
            if (channel == LINK_ITSELF && strstr(text_of(l), nonce))
                return 0;
        if (why.code != ETIMEDOUT) {
            *err = why;
            return -1;
        }
    }
    return bh_fail(err, ETIMEDOUT, "the guest did not say hello");
}

int vm_wait_for_hello(const char *link_socket, int timeout_ms, bh_error *err) {
    cleanup_link guest_link l;
    if (open_link(&l, link_socket, err) < 0)
        return -1;
    bh_error why;
    if (greet(&l, loop_now_ms() + (uint64_t)timeout_ms, &why) == 0)
        return 0;
    if (why.code == ETIMEDOUT)
        return bh_fail(err, 0, "a guest did not boot within %d s", timeout_ms / 1000);
    *err = why;
    return -1;
}

// The answer to our one request: channel 0 carries nothing else, since we have not subscribed to events.
static int take_answer(guest_link *l, const char *method, uint64_t deadline, bh_error *err) {
    for (;;) {
        int channel = receive(l, deadline, err);
        if (channel < 0)
            return bh_wrap(err, "%s in the guest", method);
        if (channel != LINK_CONTROL)
            continue;
        cleanup_json json_t *answer = json_loads(text_of(l), 0, NULL);
        const char *why = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
        if (json_object_get(answer, "result"))
            return 0;
        return bh_fail(err, 0, "%s in the guest failed: %s", method, why ? why : "its answer makes no sense");
    }
}

int vm_greet_and_ask(const char *link_socket, const char *method, json_t *params, int timeout_ms, vm_trace *trace,
                     bh_error *err) {
    cleanup_json json_t *request = json_pack("{s:i, s:s, s:o}", "id", 1, "method", method, "params", params);
    cleanup_free char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot ask the guest");
    char line[TEXT_MAX + 1];
    if (snprintf(line, sizeof line, "%s\n", text) >= (int)sizeof line)
        return bh_fail(err, E2BIG, "%s is too long to ask of a guest", method);
    cleanup_link guest_link l;
    uint64_t deadline = loop_now_ms() + (uint64_t)timeout_ms;
    if (open_link(&l, link_socket, err) < 0 || greet(&l, deadline, err) < 0)
        return -1;
    vm_trace_step(trace, "hello", "the guest's broker answers on the link");
    if (send_text(&l, LINK_CONTROL, line, err) < 0)
        return -1;
    return take_answer(&l, method, deadline, err);
}

int vm_ask_guest(const char *link_socket, const char *method, json_t *params, int timeout_ms, bh_error *err) {
    return vm_greet_and_ask(link_socket, method, params, timeout_ms, NULL, err);
}
