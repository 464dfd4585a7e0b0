// Taking all there is of something that the kernel counts for a user or for the whole host, and keeping it. "HELD n"
// says how much, and it is let go when standard input closes.
#include "attempt.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>

static int held(long amount, const char *what) {
    printf("HELD %ld %s: %s\n", amount, what, strerrorname_np(errno));
    fflush(stdout);
    hold();
    return 0;
}

// In as many processes as there are, for a process may have few descriptors only.
static long in_children(long (*take)(void)) {
    int report[2];
    long total = 0, taken;
    struct rlimit all;
    getrlimit(RLIMIT_NOFILE, &all);
    all.rlim_cur = all.rlim_max;
    setrlimit(RLIMIT_NOFILE, &all);
    if (pipe(report) < 0)
        return 0;
    for (;;) {
        pid_t child = fork();
        if (child < 0)
            return total;
        if (child == 0) {
            taken = take();
            int code = errno;
            if (write(report[1], &taken, sizeof taken) < 0 || write(report[1], &code, sizeof code) < 0)
                _exit(1);
            hold();
            _exit(0);
        }
        int code;
        if (read(report[0], &taken, sizeof taken) != sizeof taken || read(report[0], &code, sizeof code) < 0)
            return total;
        total += taken;
        errno = code;
        // EMFILE is also what inotify says of its own limit: then one more child gets nothing.
        if (taken == 0)
            return total;
    }
}

static long take_inotify(void) {
    long count = 0;
    while (inotify_init1(0) >= 0)
        count++;
    return count;
}

ATTEMPT(hold_inotify) {
    return held(in_children(take_inotify), "inotify instances");
}

ATTEMPT(inotify) {
    return inotify_init1(0) >= 0 ? got("an inotify instance") : stopped("inotify_init");
}

static long take_ptys(void) {
    long count = 0;
    while (open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0)
        count++;
    return count;
}

ATTEMPT(hold_ptys) {
    return held(in_children(take_ptys), "ptys");
}

ATTEMPT(pty) {
    return open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0 ? got("a pty") : stopped("ptmx");
}

// Signals that wait for a process which does not take them.
ATTEMPT(hold_signals) {
    sigset_t all;
    long count = 0;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    while (sigqueue(getpid(), SIGRTMIN + 3, (union sigval){0}) == 0)
        count++;
    return held(count, "pending signals");
}

ATTEMPT(signals) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    return sigqueue(getpid(), SIGRTMIN + 3, (union sigval){0}) == 0 ? got("a pending signal") : stopped("sigqueue");
}

// Queues outlive whoever made them: kept until the IPC namespace ends, or made without leaving a name.
static bool open_queue(long number, bool keep) {
    char name[32];
    struct mq_attr size = {.mq_maxmsg = 10, .mq_msgsize = 8192};
    snprintf(name, sizeof name, "/q%d-%ld", getpid(), number);
    bool made = mq_open(name, O_CREAT | O_RDWR, 0600, &size) != (mqd_t)-1;
    int code = errno;
    if (made && !keep)
        mq_unlink(name);
    errno = code;
    return made;
}

ATTEMPT(hold_queues) {
    long count = 0;
    while (open_queue(count, true))
        count++;
    return held(count, "message queues");
}

ATTEMPT(queue) {
    return open_queue(0, false) ? got("a message queue") : stopped("mq_open");
}

// What waits in a socket, in bytes of kernel memory (sock_diag(7), SO_MEMINFO).
static long waiting(int socket) {
    unsigned memory[SK_MEMINFO_VARS];
    socklen_t length = sizeof memory;
    return getsockopt(socket, SOL_SOCKET, SO_MEMINFO, memory, &length) < 0 ? 0 : memory[SK_MEMINFO_RMEM_ALLOC];
}

// Datagrams that wait on the loopback interface for nobody to read them: kernel memory, which somebody has to pay for.
// Not as many as would hurt: how much one may hold is to be seen, not felt.
ATTEMPT(hold_datagrams) {
    static char datagram[60000];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int from = socket(AF_INET, SOCK_DGRAM, 0);
    long bytes = 0;
    for (int i = 0; i < 1000; i++) {
        int to = socket(AF_INET, SOCK_DGRAM, 0);
        address.sin_port = 0;
        if (to < 0 || bind(to, (struct sockaddr *)&address, length) < 0 ||
            getsockname(to, (struct sockaddr *)&address, &length) < 0)
            break;
        for (int sent = 0; sent < 8; sent++)
            sendto(from, datagram, sizeof datagram, MSG_DONTWAIT, (struct sockaddr *)&address, length);
        bytes += waiting(to);
    }
    return held(bytes, "bytes in sockets");
}
