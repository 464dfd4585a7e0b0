// Terminals on the move: see checkpoint_terminals.h. The monitor that holds a terminal knows nothing of it: it is asked
// as any viewer asks it.
#include "broker/checkpoint_terminals.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fd_passing.h"
#include "base/frame.h"
#include "base/fs.h"
#include "base/loop.h"
#include "broker/ids.h"
#include "broker/terminal.h"
#include "broker/terminal_monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    // A viewer that has stopped reading keeps the monitor from reading the pty for ten seconds at most.
    DRAIN_MS = 12000,
    ANSWER_MS = 5000,
    LOOK_AGAIN_MS = 5,
    RING = 262144,
    // Over this distance `seen` of a viewer never comes: it is told to attach at the end.
    CREDIT = 1024 * 1024,
};

// --- Taking ---

// The monitor's descriptor of the pty, as one of ours. Nobody else has the master's end.
static int share_master(pid_t monitor, bh_error *err) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)monitor);
    cleanup_fd int process = pidfd_open(monitor, 0);
    cleanup_dir DIR *dir = opendir(path);
    if (process < 0 || !dir)
        return bh_fail(err, errno, "cannot look into the terminal's monitor");
    for (const struct dirent *entry; (entry = readdir(dir));) {
        unsigned number;
        cleanup_fd int fd = *entry->d_name == '.' ? -1 : pidfd_getfd(process, (int)strtol(entry->d_name, NULL, 10), 0);
        if (fd >= 0 && ioctl(fd, TIOCGPTN, &number) == 0)
            return take_fd(&fd);
    }
    return bh_fail(err, 0, "the terminal's monitor holds no pty any more");
}

// What the container printed before it was stopped may still be on its way: until nothing is left to be read.
static int wait_until_drained(int master, bh_error *err) {
    uint64_t deadline = loop_now_ms() + DRAIN_MS;
    for (;;) {
        struct pollfd waiting = {master, POLLIN, 0};
        if (poll(&waiting, 1, 0) < 0)
            return bh_fail(err, errno, "cannot look at a terminal");
        if (!(waiting.revents & POLLIN))
            return 0;
        if (loop_now_ms() > deadline)
            return bh_fail(err, ETIMEDOUT, "a viewer keeps the terminal waiting");
        poll(NULL, 0, LOOK_AGAIN_MS); // the monitor reads it: what it does cannot be awaited from here
    }
}

typedef struct listening {
    int file;
    bool welcomed;
    uint64_t start, seen, live;
    frame_size size;
} listening;

static int heard(void *context, const frame *f, bh_error *err) {
    listening *l = context;
    if (f->opcode == FRAME_WELCOME) {
        l->welcomed = true;
        l->start = l->seen = f->welcome.start;
        l->live = f->welcome.live;
        l->size = f->welcome.size;
    } else if (f->opcode == FRAME_OUTPUT && f->output.offset == l->seen) {
        if (write(l->file, f->output.bytes, f->output.length) != (ssize_t)f->output.length)
            return bh_fail(err, errno, "cannot keep what a terminal has printed");
        l->seen += f->output.length;
    } else if (f->opcode == FRAME_OUTPUT) {
        return bh_fail(err, 0, "a terminal's output has a gap");
    }
    return 0;
}

// As a viewer that has nothing yet and types nothing.
static int listen_to(int monitor, listening *l, bh_error *err) {
    uint8_t bytes[16384];
    const frame role = {.opcode = FRAME_ROLE, .role = FRAME_MAY_WATCH};
    const frame attach = {.opcode = FRAME_ATTACH, .attach = {FRAME_VERSION, 0, CREDIT, {0, 0}}};
    size_t length = frame_write(&role, bytes, sizeof bytes);
    length += frame_write(&attach, bytes + length, sizeof bytes - length);
    if (send(monitor, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
        return bh_fail(err, errno, "cannot ask a terminal's monitor");
    frame_reader reader = {.partial = NULL};
    int result = 0;
    while (result == 0 && !(l->welcomed && l->seen >= l->live)) {
        struct pollfd readable = {monitor, POLLIN, 0};
        ssize_t got = poll(&readable, 1, ANSWER_MS) > 0 ? read(monitor, bytes, sizeof bytes) : -1;
        result = got > 0 ? frame_reader_feed(&reader, bytes, (size_t)got, heard, l, err)
                         : bh_fail(err, ETIMEDOUT, "a terminal's monitor does not answer");
    }
    frame_reader_clear(&reader);
    return result;
}

// As the container sees it: the last of the names that a process has, one a pid namespace.
static pid_t pid_inside(pid_t pid) {
    char path[64], text[8192];
    bh_error gone;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    const char *line = fs_read(AT_FDCWD, path, text, sizeof text, &gone) > 0 ? strstr(text, "\nNSpid:") : NULL;
    if (!line)
        return 0;
    char *end = strchr(line + 1, '\n');
    if (end)
        *end = '\0';
    const char *last = strrchr(line, '\t');
    return last ? (pid_t)strtol(last + 1, NULL, 10) : 0;
}

static pid_t program_of(const machine *m, const char *id) {
    char text[32];
    bh_error unknown;
    state_name path = terminal_file(m->broker, m->id, id, ".pid");
    return fs_read(AT_FDCWD, path.text, text, sizeof text, &unknown) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static int take_terminal(const machine *m, const terminal *t, const char *dir, json_t *described, bh_error *err) {
    char path[256];
    unsigned pts;
    cleanup_fd int master = share_master(t->monitor, err);
    if (master < 0 || wait_until_drained(master, err) < 0)
        return -1;
    if (ioctl(master, TIOCGPTN, &pts) < 0)
        return bh_fail(err, errno, "cannot tell the number of a pty");
    cleanup_fd int monitor = fd_connect(terminal_file(m->broker, m->id, t->id, ".sock").text, err);
    snprintf(path, sizeof path, "%s/%s", dir, t->id);
    listening l = {.file = monitor < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (l.file < 0)
        return monitor < 0 ? -1 : bh_fail(err, errno, "cannot make %s", path);
    int result = listen_to(monitor, &l, err);
    close(l.file);
    if (result < 0)
        return -1;
    json_array_append_new(described,
                          json_pack("{s:s, s:i, s:i, s:i, s:i, s:I}", "terminal", t->id, "pts", (int)pts, "program",
                                    (int)pid_inside(program_of(m, t->id)), "columns", (int)l.size.columns, "rows",
                                    (int)l.size.rows, "offset", (json_int_t)l.start));
    return 0;
}

int checkpoint_take_terminals(const machine *m, const char *dir, json_t *described, bh_error *err) {
    for (const terminal *t = m->terminals; t; t = t->next)
        if (!t->exited && take_terminal(m, t, dir, described, err) < 0)
            return bh_wrap(err, "terminal %s", t->id);
    return 0;
}

// --- Giving ---

typedef struct masters {
    int fds[CHECKPOINT_TERMINALS_MAX];
    unsigned pts[CHECKPOINT_TERMINALS_MAX];
    size_t count;
} masters;

static void close_masters(masters *m) {
    while (m->count > 0)
        close(m->fds[--m->count]);
}

// The runtime has ended: what it sent waits in the one connection that it made, or there is none.
static int receive_masters(int console, masters *all, bh_error *err) {
    cleanup_fd int connection = accept4(console, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0)
        return errno == EAGAIN ? 0 : bh_fail(err, errno, "cannot take terminals from the runtime");
    for (;;) {
        char name[64];
        int fd;
        ssize_t got = fd_receive(connection, name, sizeof name, &fd, err);
        if (got <= 0)
            return (int)got;
        if (fd < 0)
            continue;
        if (all->count == CHECKPOINT_TERMINALS_MAX || ioctl(fd, TIOCGPTN, &all->pts[all->count]) < 0) {
            close(fd);
            return bh_fail(err, 0, "the runtime sent something else than a few pty masters");
        }
        all->fds[all->count++] = fd;
    }
}

// Which process of the container has this pid in it.
static pid_t find_inside(const machine *m, pid_t wanted) {
    cleanup_free pid_t *pids = NULL;
    bh_error err;
    int count = cgroup_read_pids(machine_cgroup(m->broker, m->id).text, &pids, &err);
    for (int i = 0; i < count; i++)
        if (pid_inside(pids[i]) == wanted)
            return pids[i];
    return 0;
}

static int give_terminal(const machine *m, json_t *one, const masters *all, const char *dir, bh_error *err) {
    const char *id;
    int pts, program, columns, rows;
    json_int_t offset;
    // It came with the archive, from who knows where.
    if (json_unpack(one, "{s:s, s:i, s:i, s:i, s:i, s:I !}", "terminal", &id, "pts", &pts, "program", &program,
                    "columns", &columns, "rows", &rows, "offset", &offset) < 0 ||
        !is_terminal_id(id) || strlen(id) != TERMINAL_ID_LENGTH || offset < 0)
        return bh_fail(err, EINVAL, "the checkpoint describes a terminal that can be none");
    size_t at = 0;
    while (at < all->count && all->pts[at] != (unsigned)pts)
        at++;
    char replay[256];
    snprintf(replay, sizeof replay, "%s/%s", dir, id);
    const terminal_monitor monitor = {
        .broker = m->broker,
        .machine = m->id,
        .terminal = id,
        .service_id = slot_service_id(m->broker->config.id_base, m->slot),
        .columns = columns,
        .rows = rows,
        .master = at < all->count ? all->fds[at] : -1,
        .program = find_inside(m, program),
        .replay = replay,
        .replay_from = offset,
    };
    if (monitor.master < 0 || monitor.program <= 0)
        return bh_fail(err, 0, "terminal %s has not come along", id);
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)monitor.program);
    if (fs_replace(AT_FDCWD, terminal_file(m->broker, m->id, id, ".pid").text, pid, 0644, err) < 0)
        return -1;
    cleanup_json json_t *opened = NULL;
    return terminal_start_monitor(&monitor, &opened, err);
}

int checkpoint_give_terminals(const machine *m, int console, const char *dir, json_t *described, bh_error *err) {
    masters all = {.count = 0};
    int result = receive_masters(console, &all, err);
    size_t i;
    json_t *one;
    json_array_foreach(described, i, one) {
        if (result == 0)
            result = give_terminal(m, one, &all, dir, err);
    }
    close_masters(&all);
    return result;
}
