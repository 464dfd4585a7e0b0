// Handing open files from process to process: see fd_passing.h.
#include "base/fd_passing.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef union control {
    struct cmsghdr header; // for its alignment
    char room[CMSG_SPACE(sizeof(int))];
} control;

int fd_connect(const char *path, bh_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return bh_fail(err, ENAMETOOLONG, "cannot connect to %s", path);
    strcpy(address.sun_path, path);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return bh_fail(err, errno, "cannot connect to %s", path);
    return take_fd(&fd);
}

int fd_send(int socket, const void *data, size_t length, int fd, bh_error *err) {
    control c = {0};
    struct iovec text = {(void *)data, length};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c.room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    for (size_t sent = 0; sent < length;) {
        ssize_t got = sendmsg(socket, &message, MSG_NOSIGNAL);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return bh_fail(err, errno, "cannot send an open file");
        // A stream may take a part. The file has gone with the first byte.
        sent += (size_t)got;
        text = (struct iovec){(char *)data + sent, length - sent};
        message.msg_control = NULL;
        message.msg_controllen = 0;
    }
    return 0;
}

ssize_t fd_receive(int socket, void *data, size_t size, int *fd, bh_error *err) {
    control c = {0};
    struct iovec text = {data, size};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c.room};
    ssize_t got;
    *fd = -1;
    do
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return bh_fail(err, errno, "cannot receive an open file");
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(header), sizeof *fd);
    return got;
}
