// bulkhead-monitor: holds one terminal's pty, a ring of its recent output and its attach socket, and outlives the
// broker and the server that asked for it.
//
//   bulkhead-monitor --socket PATH --socket-uid N --socket-gid N [--uid N --gid N] --columns C --rows R
//                    [--ring BYTES] --status-fd FD [--console-socket PATH --pid-file PATH [--orphan]] -- COMMAND ARG...
//   bulkhead-monitor --socket … --status-fd FD --master-fd FD --program PID [--replay FILE --replay-from N]
//
// Without --console-socket it opens a pty and starts COMMAND on it as leader of a session of its own, with the
// environment, working directory and ids the monitor was started with. With --console-socket it listens there and runs
// COMMAND (`bulkhead exec --detach --tty --console-socket PATH --pid-file FILE ...`), which sends the pty's master and
// must end with 0; the program whose pid is then in --pid-file has become the monitor's child (subreaper).
// --pid-file goes with --console-socket and must name the file that COMMAND writes.
//
// With --orphan that program is, and stays, a child of its container's first process (`bulkhead exec --orphan`); its
// end is heard from the kernel. So it is with --master-fd: the pty of a program that runs already, one that CRIU has
// brought from elsewhere. FILE holds the last of what it printed there, beginning at offset N of its terminal's life.
//
// --socket        the attach socket: owner and group as given, mode 0660. Attach frames: docs/protocol.md.
// --uid --gid     what the monitor itself becomes once the program runs (no capabilities, no_new_privs, seccomp).
// --status-fd FD  gets exactly one line and is closed: {"pid": program, "monitor": monitor} once the socket accepts
//                 connections, or {"error": "..."} before the monitor exits with 1.
// SOCKET.status   (the socket's path and ".status") gets the same first line, and a second one when the program has
//                 ended: {"exited": {"kind": 0 or 1, "status": N}}: 0 it exited, 1 a signal killed it. The file is only
//                 ever appended to, a whole line a write. A broker watches it by inotify; one that was restarted reads
//                 it first. There is no other way to learn of the end, so both cases are one.
//
// The monitor is a plain child of whoever starts it (which may reap it) in a session of its own; it needs nothing of
// its parent afterwards. When the program has ended it stays, for late viewers. SIGTERM ends it: the master is closed,
// so the terminal's programs get SIGHUP, and the socket and its .status are left for the caller.

#include "base/cleanup.h"
#include "base/confine.h"
#include "base/listener.h"
#include "base/loop.h"
#include "monitor/options.h"
#include "monitor/orphan.h"
#include "monitor/program.h"
#include "monitor/status.h"
#include "monitor/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct monitor {
    loop *loop;
    terminal *terminal;
    loop_source listener;
    loop_source children; // a signalfd of SIGCHLD
    loop_source events;   // the kernel's, of a program that is no child; fd -1 otherwise
    pid_t program;
    int status_file;
} monitor;

#define MONITOR_OF(pointer, field) ((monitor *)((char *)(pointer) - offsetof(monitor, field)))

static void accept_viewer(loop_source *source, uint32_t events) {
    (void)events;
    monitor *m = MONITOR_OF(source, listener);
    int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        terminal_add_viewer(m->terminal, fd);
}

// Every child, and not the program alone: whoever has CLONE_PARENT (clone(2)), as programs of a nested container do,
// can leave children to its own parent, which is this process. They would stay as zombies, counted among the
// container's processes, and its pid namespace could not end before this process does.
static void children_ended(loop_source *source, uint32_t events) {
    (void)events;
    const monitor *m = MONITOR_OF(source, children);
    struct signalfd_siginfo signals[8]; // one may stand for many children (signal(7)), so what they say is not asked
    while (read(source->fd, signals, sizeof signals) > 0)
        continue;
    int wait_status;
    for (pid_t pid; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;)
        if (pid == m->program)
            terminal_program_exited(m->terminal, wait_status);
}

static void event_came(loop_source *source, uint32_t events) {
    (void)events;
    monitor *m = MONITOR_OF(source, events);
    int wait_status;
    if (!orphan_ended(source->fd, m->program, &wait_status))
        return;
    loop_remove(m->loop, source);
    terminal_program_exited(m->terminal, wait_status);
}

// Before there is a child, so that the end of none is missed.
static int watch_children(monitor *m, bh_error *err) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    m->children = (loop_source){signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK), children_ended};
    if (m->children.fd < 0)
        return bh_fail(err, errno, "cannot watch for the end of children");
    return loop_add(m->loop, &m->children, EPOLLIN, err);
}

static void terminal_ended(void *context, uint8_t kind, int32_t status) {
    const monitor *m = context;
    status_exited(m->status_file, kind, status);
}

// A session of its own, deaf to the signals that its parent's end could bring, and holding nothing of its parent's.
static int stand_alone(const options *o, bh_error *err) {
    if (setsid() < 0 && getsid(0) != getpid())
        return bh_fail(err, errno, "cannot start a session");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    fcntl(o->status_fd, F_SETFD, FD_CLOEXEC);
    // All but the two that are given: below, between and above them.
    int low = o->status_fd < o->master || o->master < 0 ? o->status_fd : o->master;
    int high = o->status_fd > o->master ? o->status_fd : o->master;
    const int gaps[][2] = {{3, low - 1}, {low < 3 ? 3 : low + 1, high - 1}, {high < 3 ? 3 : high + 1, INT_MAX}};
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++)
        if (gaps[i][0] <= gaps[i][1] && close_range((unsigned)gaps[i][0], (unsigned)gaps[i][1], 0) < 0)
            return bh_fail(err, errno, "cannot close inherited descriptors");
    return 0;
}

// A standard error on the broker's log would keep that pipe, and the broker's reader, waiting for the monitor's end; a
// working directory would keep its file system from being unmounted.
static int let_go_of_the_parent(int status_fd, bh_error *err) {
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        if (null < 0 || (fd != status_fd && dup2(null, fd) < 0))
            return bh_fail(err, errno, "cannot open /dev/null");
    if (chdir("/") < 0)
        return bh_fail(err, errno, "cannot leave the working directory");
    return 0;
}

static int open_attach_socket(const options *o, bh_error *err) {
    cleanup_fd int fd = listener_open(o->socket, err);
    if (fd < 0)
        return -1;
    if (lchown(o->socket, o->socket_uid, o->socket_gid) < 0 || chmod(o->socket, 0660) < 0) {
        bh_fail(err, errno, "cannot give %s to user %u, group %u", o->socket, o->socket_uid, o->socket_gid);
        unlink(o->socket);
        return -1;
    }
    return take_fd(&fd);
}

// The pty's master; m->program becomes the program.
static int take_program(monitor *m, const options *o, bh_error *err) {
    if (o->master < 0 && !o->console_socket)
        return program_start(o->command, o->size, &m->program, err);
    if (o->master >= 0) {
        m->program = o->program;
        return fcntl(o->master, F_DUPFD_CLOEXEC, 3);
    }
    return program_start_by_runtime(o->command, o->console_socket, o->pid_file, o->orphan, o->size, &m->program, err);
}

static int replay(monitor *m, const options *o, bh_error *err) {
    cleanup_fd int file = open(o->replay, O_RDONLY | O_CLOEXEC);
    struct stat info;
    cleanup_free uint8_t *bytes = NULL;
    if (file < 0 || fstat(file, &info) < 0)
        return bh_fail(err, errno, "cannot open %s", o->replay);
    size_t length = (size_t)info.st_size;
    if (info.st_size > TERMINAL_RING || !(bytes = malloc(length + 1)) || read(file, bytes, length) != info.st_size)
        return bh_fail(err, 0, "%s does not hold a terminal's last %d bytes", o->replay, TERMINAL_RING);
    terminal_continue(m->terminal, o->replay_from, bytes, length);
    return 0;
}

static int start_program(monitor *m, const options *o, bh_error *err) {
    bool orphan = o->orphan || o->master >= 0;
    if (orphan && (m->events = (loop_source){orphan_listen(err), event_came}).fd < 0)
        return -1;
    int master = take_program(m, o, err);
    if (o->master >= 0)
        close(o->master);
    if (master < 0)
        return -1;
    m->terminal = terminal_new(m->loop, master, o->size, o->ring_bytes, terminal_ended, m, err);
    if (!m->terminal || (o->replay && replay(m, o, err) < 0))
        return -1;
    if (!orphan)
        return 0;
    return orphan_only(m->events.fd, m->program, err) < 0 ? -1 : loop_add(m->loop, &m->events, EPOLLIN, err);
}

// Everything up to serving. What was made is left to be removed by the caller when a step fails.
static int start(monitor *m, const options *o, bh_error *err) {
    if (stand_alone(o, err) < 0)
        return -1;
    m->loop = loop_new(err);
    if (!m->loop)
        return -1;
    m->listener = (loop_source){open_attach_socket(o, err), accept_viewer};
    if (m->listener.fd < 0)
        return -1;
    m->status_file = status_open(o->socket, err);
    if (m->status_file < 0)
        return -1;
    if (watch_children(m, err) < 0 || start_program(m, o, err) < 0)
        return -1;
    if (let_go_of_the_parent(o->status_fd, err) < 0)
        return -1;
    if (loop_add(m->loop, &m->listener, EPOLLIN, err) < 0)
        return -1;
    return 0;
}

// Only what this monitor made itself: a socket that was in the way is another's.
static void remove_what_was_made(const monitor *m, const options *o) {
    cleanup_free char *status = NULL;
    if (m->listener.fd >= 0)
        unlink(o->socket);
    if (m->status_file >= 0 && asprintf(&status, "%s.status", o->socket) >= 0)
        unlink(status);
}

int main(int argc, char **argv) {
    options o;
    bh_error err;
    if (options_parse(argc, argv, &o, &err) < 0) {
        fprintf(stderr, "bulkhead-monitor: %s\n", err.message);
        return 2;
    }
    monitor m = {.listener.fd = -1, .events.fd = -1, .status_file = -1};
    if (start(&m, &o, &err) < 0) {
        remove_what_was_made(&m, &o);
        status_failed(o.status_fd, &err);
        loop_free(m.loop);
        return 1;
    }
    // From here on the files can no longer be removed: the caller does it, as at a terminal's end.
    pid_t self = getpid(); // the seccomp filter does not even allow to ask
    if (confine(o.uid, o.gid, &err) < 0 || status_ready(m.status_file, o.status_fd, m.program, self, &err) < 0) {
        status_failed(o.status_fd, &err);
        loop_free(m.loop);
        return 1;
    }
    int outcome = loop_run(m.loop, &err);
    loop_free(m.loop);
    return outcome < 0 ? 1 : 0;
}
