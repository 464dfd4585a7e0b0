// The kernel's process events (drivers/connector/cn_proc.c, CONFIG_PROC_EVENTS): see orphan.h. The event of an end is
// sent before whoever waits for the process can hear of it, and holds what waitpid would have.
#include "monitor/orphan.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum {
    // Until the filter is set, every fork, exec and end on this machine is queued.
    QUEUE_BYTES = 4 * 1024 * 1024,
    EVENT_AT = sizeof(struct nlmsghdr) + sizeof(struct cn_msg),
    CORE_DUMPED = 0x80,
};

typedef struct subscription {
    struct nlmsghdr header;
    struct cn_msg message;
    enum proc_cn_mcast_op operation;
} __attribute__((packed)) subscription;

int orphan_listen(bh_error *err) {
    cleanup_fd int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    const subscription wish = {
        .header = {.nlmsg_len = sizeof wish, .nlmsg_type = NLMSG_DONE},
        .message = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof wish.operation},
        .operation = PROC_CN_MCAST_LISTEN,
    };
    const int room = QUEUE_BYTES;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        send(fd, &wish, sizeof wish, 0) != (ssize_t)sizeof wish)
        return bh_fail(err, errno, "cannot listen to the kernel's process events");
    return take_fd(&fd);
}

int orphan_only(int events, pid_t program, bh_error *err) {
#define FIELD(field) (EVENT_AT + offsetof(struct proc_event, field))
    // A filter reads in network order what the kernel wrote in its own.
    struct sock_filter only[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(what)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_EXIT), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(event_data.exit.process_pid)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)program), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = {sizeof only / sizeof *only, only};
    if (setsockopt(events, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0)
        return bh_fail(err, errno, "cannot choose among the kernel's process events");
    // What came before stays queued. An end that an overflow has lost shows in that there is no such process.
    char first;
    if (recv(events, &first, 1, MSG_PEEK) < 0 && kill(program, 0) < 0)
        return bh_fail(err, 0, "the program ended before it could be watched");
    return 0;
}

bool orphan_ended(int events, pid_t program, int *wait_status) {
    _Alignas(struct nlmsghdr) char message[512];
    for (;;) {
        ssize_t length = recv(events, message, sizeof message, 0);
        if (length < 0 && (errno == EINTR || errno == ENOBUFS))
            continue; // the overflow is told once, and what was queued is still there
        if (length < 0)
            return false;
        struct proc_event event = {0};
        if (length < (ssize_t)(EVENT_AT + offsetof(struct proc_event, event_data) + sizeof event.event_data.exit))
            continue;
        size_t there = (size_t)length - EVENT_AT;
        memcpy(&event, message + EVENT_AT, there < sizeof event ? there : sizeof event);
        if (event.what == PROC_EVENT_EXIT && event.event_data.exit.process_pid == program) {
            *wait_status = (int)event.event_data.exit.exit_code & ~CORE_DUMPED;
            return true;
        }
    }
}
