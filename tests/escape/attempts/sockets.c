// Ways to talk to what is outside, and to the kernel's less visited corners.
#include "attempt.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

// socket FAMILY TYPE PROTOCOL. Registers are 64 bits wide, and a filter sees them so: "h" before a number sets a bit
// that the kernel ignores.
static unsigned long wide(const char *number) {
    return *number == 'h' ? 1ul << 32 | strtoul(number + 1, NULL, 10) : strtoul(number, NULL, 10);
}

ATTEMPT(socket) {
    long fd = syscall(SYS_socket, wide(args[0]), wide(args[1]), wide(args[2]));
    return fd >= 0 ? got("a socket of family %s", args[0]) : stopped("socket");
}

ATTEMPT(socketpair) {
    int ends[2];
    long result = syscall(SYS_socketpair, wide(args[0]), wide(args[1]), wide(args[2]), ends);
    // EOPNOTSUPP: the family's code was loaded and run, and two sockets were made, before it said no.
    return result == 0 || errno == EOPNOTSUPP ? got("sockets of family %s", args[0]) : stopped("socketpair");
}

static int connect_to(const struct sockaddr *address, socklen_t length) {
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return stopped("socket");
    if (connect(fd, address, length) == 0)
        return got("a connection");
    if (errno != EINPROGRESS)
        return stopped("connect");
    struct pollfd ready = {fd, POLLOUT, 0};
    socklen_t size = sizeof errno;
    if (poll(&ready, 1, 2000) == 0)
        return stopped_because("connect: no answer");
    int code = 0;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    errno = code;
    return code == 0 ? got("a connection") : stopped("connect");
}

// connect_tcp ADDRESS PORT
ATTEMPT(connect_tcp) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(args[1]))};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(args[1]))};
    if (inet_pton(AF_INET, args[0], &v4.sin_addr) == 1)
        return connect_to((struct sockaddr *)&v4, sizeof v4);
    inet_pton(AF_INET6, args[0], &v6.sin6_addr);
    return connect_to((struct sockaddr *)&v6, sizeof v6);
}

// connect_unix PATH, or @NAME for the abstract socket that has no file.
ATTEMPT(connect_unix) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(args[0]);
    memcpy(address.sun_path, args[0], length);
    if (*args[0] == '@')
        address.sun_path[0] = '\0';
    return connect_to((struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

// packet_ring: 64 MiB of kernel memory that no limit counts, many times over if wanted.
ATTEMPT(packet_ring) {
    struct tpacket_req ring = {
        .tp_block_size = 1 << 20, .tp_block_nr = 64, .tp_frame_size = 2048, .tp_frame_nr = 64 * 512};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd < 0)
        return stopped("socket");
    if (setsockopt(fd, SOL_PACKET, args[0] ? PACKET_TX_RING : PACKET_RX_RING, &ring, sizeof ring) < 0)
        return stopped("setsockopt");
    return got("a ring of 64 MiB");
}

// listen_tcp ADDRESS: says on which port, and accepts until standard input closes.
ATTEMPT(listen_tcp) {
    struct sockaddr_storage any = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&any;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&any;
    any.ss_family = strchr(args[0], ':') ? AF_INET6 : AF_INET;
    inet_pton(any.ss_family, args[0], any.ss_family == AF_INET6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr);
    socklen_t length = sizeof any;
    int fd = socket(any.ss_family, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, any.ss_family == AF_INET6 ? sizeof *v6 : sizeof *v4) < 0 ||
        listen(fd, 8) < 0 || getsockname(fd, (struct sockaddr *)&any, &length) < 0)
        return stopped("listen");
    got("port %d", ntohs(v4->sin_port)); // at the same place in both
    hold();
    return 0;
}

// out_of_band: the one byte that may overtake others, on a Unix socket. By sendmsg where an argument is given.
ATTEMPT(out_of_band) {
    int ends[2];
    struct iovec byte = {(void *)"x", 1};
    struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return stopped("socketpair");
    ssize_t sent = args[0] ? sendmsg(ends[0], &message, MSG_OOB) : send(ends[0], "x", 1, MSG_OOB);
    return sent == 1 ? got("to send") : stopped("send");
}

// tls_in_kernel: another protocol put between a connection and its user.
ATTEMPT(tls_in_kernel) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
        connect(fd, (struct sockaddr *)&address, length) < 0)
        return stopped("connect");
    return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 ? got("TLS") : stopped("setsockopt");
}
