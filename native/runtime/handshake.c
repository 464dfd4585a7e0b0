// The messages between the runtime and the process that becomes the container: see handshake.h.
#include "runtime/handshake.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct message {
    handshake_stage stage;
    int value;
    bh_error error;
} message;

int handshake_make(int ends[2], bh_error *err) {
    // SEQPACKET: a message arrives whole or not at all.
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return bh_fail(err, errno, "cannot make the handshake's socket pair");
    return 0;
}

int handshake_send(int fd, handshake_stage stage, int value, bh_error *err) {
    message m = {.stage = stage, .value = value};
    if (send(fd, &m, sizeof m, MSG_NOSIGNAL) < 0)
        return bh_fail(err, errno, "the other side of the launch is gone");
    return 0;
}

void handshake_send_error(int fd, const bh_error *failure) {
    message m = {.stage = HANDSHAKE_FAILED, .error = *failure};
    // If nobody listens any more there is nobody to tell.
    send(fd, &m, sizeof m, MSG_NOSIGNAL);
}

int handshake_wait(int fd, handshake_stage wanted, int *value, bh_error *err) {
    message m = {0};
    ssize_t got;
    do
        got = recv(fd, &m, sizeof m, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno != ECONNRESET)
        return bh_fail(err, errno, "cannot hear the other side of the launch");
    if (got <= 0)
        m.stage = HANDSHAKE_EXECED;
    if (m.stage == HANDSHAKE_FAILED) {
        *err = m.error;
        return -1;
    }
    if (m.stage != wanted)
        return bh_fail(err, 0, "the container's process ended before it was ready (killed? see its cgroup's limits)");
    if (value)
        *value = m.value;
    return 0;
}
