// A program started by an OCI runtime, whose pty we are sent: see program.h.
#include "base/cleanup.h"
#include "base/listener.h"
#include "base/loop.h"
#include "monitor/child.h"
#include "monitor/program.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
    PATIENCE_MS = 12000, // for the whole of it; a runtime takes a few milliseconds, and gives up after ten seconds
    HUNG_UP = -2,
    COMPLAINT_MAX = 4096,
};

typedef struct runtime {
    pid_t pid;
    int pidfd;
    int errors;                    // its standard error
    char complaint[COMPLAINT_MAX]; // the last of what it wrote there
    size_t complaint_length;
} runtime;

// Runs the runtime with nothing to read, nowhere to print, and its standard error on a pipe.
static int start_runtime(char **command, runtime *r, bh_error *err) {
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int ends[2];
    if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot prepare to run %s", command[0]);
    r->errors = ends[0];
    cleanup_fd int errors = ends[1], report = -1;
    r->pid = child_fork(&report, err);
    if (r->pid < 0)
        return -1;
    if (r->pid == 0) {
        if (dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(errors, 2) == 2)
            child_exec(command, report);
        child_give_up(report);
    }
    int code = child_wait_for_exec(report);
    if (code != 0) {
        waitpid(r->pid, NULL, 0);
        return bh_fail(err, code, "cannot run %s", command[0]);
    }
    r->pidfd = pidfd_open(r->pid, 0);
    if (r->pidfd < 0 || fcntl(r->errors, F_SETFL, O_NONBLOCK) < 0)
        return bh_fail(err, errno, "cannot watch %s", command[0]);
    return 0;
}

// Keeps the end of what the runtime complains about. Returns what was read; 0 when it will say nothing more, negative
// when there is nothing now.
static ssize_t read_complaint(runtime *r) {
    char bytes[COMPLAINT_MAX / 4];
    ssize_t length = read(r->errors, bytes, sizeof bytes);
    if (length <= 0)
        return length;
    size_t more = (size_t)length;
    if (r->complaint_length + more > COMPLAINT_MAX) {
        size_t kept = COMPLAINT_MAX - more;
        memmove(r->complaint, r->complaint + r->complaint_length - kept, kept);
        r->complaint_length = kept;
    }
    memcpy(r->complaint + r->complaint_length, bytes, more);
    r->complaint_length += more;
    return length;
}

static int fail_with_last_line(const runtime *r, const char *name, int wait_status, bh_error *err) {
    size_t end = r->complaint_length;
    while (end > 0 && isspace((unsigned char)r->complaint[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && r->complaint[start - 1] != '\n')
        start--;
    if (end > start)
        return bh_fail(err, 0, "%.*s", (int)(end - start), r->complaint + start);
    if (WIFSIGNALED(wait_status))
        return bh_fail(err, 0, "%s was killed by signal %d and said nothing", name, WTERMSIG(wait_status));
    return bh_fail(err, 0, "%s ended with status %d and said nothing", name, WEXITSTATUS(wait_status));
}

// Takes exactly one descriptor, and only the master of a pty: what is sent is later read, written and resized on behalf
// of strangers, so it must not be a file or a host's terminal (CVE-2025-52565 is about a console that was another one).
// HUNG_UP, and no error: the runtime sent nothing, and is about to say why.
static int receive_master(int connection, bh_error *err) {
    char data[256];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct iovec piece = {data, sizeof data};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    if (length < 0)
        return bh_fail(err, errno, "cannot receive the terminal from the runtime");
    if (length == 0)
        return HUNG_UP;

    int fds[8];
    size_t count = 0;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
    }
    unsigned number;
    // TIOCGPTN is answered by a pty's master alone (ioctl_tty(2)).
    if (count == 1 && !(message.msg_flags & MSG_CTRUNC) && ioctl(fds[0], TIOCGPTN, &number) == 0)
        return fds[0];
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    return bh_fail(err, 0, "the runtime sent something else than one pty master");
}

static int accept_master(int listener, frame_size size, bh_error *err) {
    cleanup_fd int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0)
        return bh_fail(err, errno, "cannot accept the runtime's connection");
    int master = receive_master(connection, err);
    struct winsize wish = {.ws_col = size.columns, .ws_row = size.rows};
    if (master >= 0)
        ioctl(master, TIOCSWINSZ, &wish);
    return master;
}

// Waits until the runtime has ended, taking the master from it on the way. Returns its wait status.
static int attend(runtime *r, int listener, int *master, frame_size size, const char *name, bh_error *err) {
    uint64_t deadline = loop_now_ms() + PATIENCE_MS;
    for (;;) {
        struct pollfd watched[] = {
            {*master < 0 ? listener : -1, POLLIN, 0}, {r->errors, POLLIN, 0}, {r->pidfd, POLLIN, 0}};
        uint64_t now = loop_now_ms();
        if (now >= deadline || poll(watched, 3, (int)(deadline - now)) == 0)
            return bh_fail(err, 0, "%s did not end within %d seconds", name, PATIENCE_MS / 1000);
        // In this order: the runtime may have sent the master, complained and ended since the last look.
        int taken = watched[0].revents ? accept_master(listener, size, err) : HUNG_UP;
        if (taken < 0 && taken != HUNG_UP)
            return -1;
        if (taken >= 0)
            *master = taken;
        if (watched[1].revents && read_complaint(r) == 0) {
            // Not waited for: the program that the runtime started may hold the pipe open.
            close(r->errors);
            r->errors = -1;
        }
        int wait_status;
        if (watched[2].revents && waitpid(r->pid, &wait_status, WNOHANG) == r->pid) {
            r->pid = 0;
            while (r->errors >= 0 && read_complaint(r) > 0)
                ;
            return wait_status;
        }
    }
}

static int read_pid(const char *path, bool orphan, pid_t *pid, bh_error *err) {
    cleanup_file FILE *file = fopen(path, "re");
    int value = 0;
    if (!file || fscanf(file, "%d", &value) != 1 || value <= 1)
        return bh_fail(err, 0, "the runtime left no process id in %s", path);
    siginfo_t info;
    if (!orphan && waitid(P_PID, (id_t)value, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return bh_fail(err, errno, "process %d is not ours to wait for (did the runtime detach from it?)", value);
    *pid = value;
    return 0;
}

int program_start_by_runtime(char **command, const char *socket, const char *pid_file, bool orphan, frame_size size,
                             pid_t *pid, bh_error *err) {
    // The runtime ends before the program does. Its orphan must become our child, not init's, or its exit status would
    // be lost (prctl(2), PR_SET_CHILD_SUBREAPER).
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot become a subreaper");
    cleanup_fd int listener = listener_open(socket, err);
    if (listener < 0)
        return -1;
    runtime r = {.pidfd = -1, .errors = -1};
    cleanup_fd int master = -1;
    int status = start_runtime(command, &r, err);
    if (status == 0)
        status = attend(&r, listener, &master, size, command[0], err);
    unlink(socket);
    if (status < 0 && r.pid > 0) {
        kill(r.pid, SIGKILL);
        waitpid(r.pid, NULL, 0);
    }
    if (status > 0)
        status = fail_with_last_line(&r, command[0], status, err);
    if (r.pidfd >= 0)
        close(r.pidfd);
    if (r.errors >= 0)
        close(r.errors);
    if (status < 0)
        return -1;
    if (master < 0)
        return bh_fail(err, 0, "%s ended well but sent no terminal", command[0]);
    return read_pid(pid_file, orphan, pid, err) < 0 ? -1 : take_fd(&master);
}
