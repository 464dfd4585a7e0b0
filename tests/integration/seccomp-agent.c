// An agent for SCMP_ACT_NOTIFY, for oci-seccomp.test.ts: `seccomp-agent SOCKET ERRNO` listens on SOCKET and prints for
// each connection the container process state it is sent; every system call it is asked about fails with ERRNO (0: goes
// on), and each is printed as "asked NUMBER". Ends when its standard input does.
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTENERS_MAX = 8 };

static int take_listener(int connection) {
    char text[4096], room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec piece = {text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    ssize_t length = recvmsg(connection, &message, 0);
    int listener = -1;
    if (length < 0 || !CMSG_FIRSTHDR(&message))
        exit(2);
    memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof listener);
    // "Exactly one state per connection", which then is closed.
    for (ssize_t more; (more = read(connection, text + length, sizeof text - 1 - (size_t)length)) > 0;)
        length += more;
    text[length] = '\0';
    close(connection);
    printf("%s\n", text);
    return listener;
}

static void answer(int listener, int number) {
    struct seccomp_notif asked = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
        return; // killed meanwhile
    struct seccomp_notif_resp response = {.id = asked.id, .error = -number};
    if (number == 0)
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    printf("asked %d\n", asked.data.nr);
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct pollfd polled[2 + LISTENERS_MAX] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    nfds_t count = 2;
    if (argc != 3)
        return 2;
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    polled[1] = (struct pollfd){.fd = socket(AF_UNIX, SOCK_STREAM, 0), .events = POLLIN};
    if (bind(polled[1].fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(polled[1].fd, 8) < 0)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("listening");
    while (poll(polled, count, -1) >= 0 && !polled[0].revents) {
        for (nfds_t i = 2; i < count; i++) {
            if (polled[i].revents & POLLIN)
                answer(polled[i].fd, atoi(argv[2]));
            else if (polled[i].revents) // its last process has ended
                polled[i].fd = -1;
        }
        if (polled[1].revents && count < 2 + LISTENERS_MAX)
            polled[count++] = (struct pollfd){.fd = take_listener(accept(polled[1].fd, NULL, NULL)), .events = POLLIN};
    }
    return 0;
}
