// The messages between the runtime and the process that becomes the container: see handshake.h.
#include "runtime/handshake.h"
#include "base/cleanup.h"
#include "base/fd_passing.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
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
    if (send(fd, &m, sizeof m, MSG_NOSIGNAL) >= 0)
        return 0;
    int code = errno;
    // Whoever is gone may have said why.
    if (recv(fd, &m, sizeof m, MSG_DONTWAIT) == (ssize_t)sizeof m && m.stage == HANDSHAKE_FAILED) {
        *err = m.error;
        return -1;
    }
    return bh_fail(err, code, "the other side of the launch is gone");
}

int handshake_limit(int fd, int seconds, bh_error *err) {
    struct timeval limit = {.tv_sec = seconds};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
        return bh_fail(err, errno, "cannot limit the wait for the container");
    return 0;
}

void handshake_send_error(int fd, const bh_error *failure) {
    message m = {.stage = HANDSHAKE_FAILED, .error = *failure};
    // If nobody listens any more there is nobody to tell.
    send(fd, &m, sizeof m, MSG_NOSIGNAL);
}

int handshake_send_file(int fd, handshake_stage stage, int file, bh_error *err) {
    message m = {.stage = stage};
    return fd_send(fd, &m, sizeof m, file, err);
}

// What came in: an answer, a failure, or the end of file that a successful exec is.
static int check(message *m, ssize_t got, handshake_stage wanted, bh_error *err) {
    // End of file: exec has closed the child's end, or it died too suddenly to say why. After HANDSHAKE_GO the two look
    // alike, and one that died is then seen as a container that has ended.
    if (got <= 0)
        m->stage = HANDSHAKE_EXECED;
    if (m->stage == HANDSHAKE_FAILED) {
        *err = m->error;
        return -1;
    }
    if (m->stage != wanted)
        return bh_fail(err, 0, "the container's process ended before it was ready (killed? see its cgroup's limits)");
    return 0;
}

int handshake_wait(int fd, handshake_stage wanted, int *value, bh_error *err) {
    message m = {0};
    ssize_t got;
    // ECONNRESET, once: the other side is gone and did not read what we said last. What it said last comes next.
    do
        got = recv(fd, &m, sizeof m, 0);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0 && errno == EAGAIN)
        return bh_fail(err, ETIMEDOUT, "the new process does not get on (stopped or frozen inside the container?)");
    if (got < 0)
        return bh_fail(err, errno, "cannot hear the other side of the launch");
    if (check(&m, got, wanted, err) < 0)
        return -1;
    if (value)
        *value = m.value;
    return 0;
}

int handshake_wait_file(int fd, handshake_stage wanted, bh_error *err) {
    message m = {0};
    cleanup_fd int file = -1;
    bh_error failure = {0};
    ssize_t got;
    do
        got = fd_receive(fd, &m, sizeof m, &file, &failure);
    while (got < 0 && failure.code == ECONNRESET); // as above
    if (got < 0) {
        *err = failure;
        return -1;
    }
    if (check(&m, got, wanted, err) < 0)
        return -1;
    return file >= 0 ? take_fd(&file) : bh_fail(err, 0, "the other side of the launch sent no file");
}
