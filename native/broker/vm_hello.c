// Greeting a guest: see vm_hello.h.
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

// The packet that carries our nonce, and the packet that we hope for: a guest says the same words.
typedef struct greeting {
    uint8_t packet[256];
    size_t length; // with the zeros around it
    char nonce[33];
} greeting;

static int compose(greeting *g, bh_error *err) {
    uint8_t random[16], content[128] = {0};
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return bh_fail(err, errno, "cannot get random bytes");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(g->nonce + 2 * i, 3, "%02x", random[i]);
    int text = snprintf((char *)content + HEAD, sizeof content - HEAD, "{\"hello\":\"%s\",\"version\":%d}", g->nonce,
                        LINK_VERSION);
    content[3] = LINK_ITSELF;
    content[7] = (uint8_t)text;
    g->packet[0] = 0; // ends whatever half packet an earlier life left in the port
    size_t encoded = cobs_encode(content, HEAD + (size_t)text, g->packet + 1);
    g->packet[1 + encoded] = 0;
    g->length = encoded + 2;
    return 0;
}

// True once a packet with our nonce has been read. `packet` collects bytes up to the next zero.
static bool take(const greeting *g, const uint8_t *bytes, size_t count, uint8_t packet[256], size_t *length) {
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0) {
            if (*length < 255)
                packet[(*length)++] = bytes[i];
            continue;
        }
        ssize_t decoded = cobs_decode(packet, *length, packet);
        *length = 0;
        if (decoded > HEAD && packet[3] == LINK_ITSELF &&
            memmem(packet + HEAD, (size_t)decoded - HEAD, g->nonce, strlen(g->nonce)))
            return true;
    }
    return false;
}

static int connect_to(const char *path, bh_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path)
        return bh_fail(err, ENAMETOOLONG, "cannot connect to %s", path);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return bh_fail(err, errno, "cannot connect to %s", path);
    return take_fd(&fd);
}

int vm_wait_for_hello(const char *link_socket, int timeout_ms, bh_error *err) {
    greeting g;
    cleanup_fd int fd = connect_to(link_socket, err);
    if (fd < 0 || compose(&g, err) < 0)
        return -1;
    uint8_t packet[256];
    size_t length = 0;
    uint64_t deadline = loop_now_ms() + (uint64_t)timeout_ms;
    while (loop_now_ms() < deadline) {
        // Lost until the guest has opened its port, hence the repetition; EAGAIN when QEMU has stopped reading.
        if (send(fd, g.packet, g.length, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            return bh_fail(err, 0, "the VM ended before it had booted");
        struct pollfd ready = {fd, POLLIN, 0};
        uint8_t bytes[512];
        ssize_t got = poll(&ready, 1, REPEAT_MS) > 0 ? recv(fd, bytes, sizeof bytes, 0) : -1;
        if (got == 0)
            return bh_fail(err, 0, "the VM ended before it had booted");
        if (got > 0 && take(&g, bytes, (size_t)got, packet, &length))
            return 0;
    }
    return bh_fail(err, 0, "a guest did not boot within %d s", timeout_ms / 1000);
}
