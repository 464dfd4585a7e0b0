// Terminals: see terminal.h.
#include "broker/terminal.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/identity.h"
#include "broker/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#define CLOSE_PATIENCE_MS 2000
#define STATUS_MAX 1024
// More than a machine may have: what is beyond is found by the next round.
#define MAX_FOUND 64

state_name terminal_file(const broker *b, const char *machine_id, const char *id, const char *suffix) {
    char file[64];
    snprintf(file, sizeof file, "terminals/%.16s%s", id, suffix);
    return machine_file(b, machine_id, file);
}

json_t *terminals_describe(const terminal *terminals) {
    json_t *list = json_array();
    for (const terminal *t = terminals; t; t = t->next) {
        if (!t->unopened)
            json_array_append_new(
                list, json_pack("{s:s, s:s}", "terminal", t->id, "state", t->exited ? "exited" : "running"));
    }
    return list;
}

terminal *terminal_find(const machine *m, const char *id) {
    for (terminal *t = m->terminals; t; t = t->next) {
        if (strcmp(t->id, id) == 0 && !t->unopened)
            return t;
    }
    return NULL;
}

static void unwatch(terminal *t) {
    broker *b = t->machine->broker;
    if (t->watch >= 0)
        inotify_rm_watch(b->terminal_events.fd, t->watch);
    t->watch = -1;
    if (t->monitor_ended.fd >= 0) {
        loop_remove(b->loop, &t->monitor_ended);
        close(t->monitor_ended.fd);
    }
    t->monitor_ended.fd = -1;
}

void terminal_forget(terminal *t) {
    for (terminal **at = &t->machine->terminals; *at; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    unwatch(t);
    free(t);
}

void terminals_forget(machine *m) {
    while (m->terminals)
        terminal_forget(m->terminals);
}

size_t terminals_monitors(const machine *m, pid_t *pids, size_t max) {
    size_t count = 0;
    for (const terminal *t = m->terminals; t && count < max; t = t->next)
        pids[count++] = t->monitor;
    return count;
}

static void set_exited(terminal *t, int kind, int status) {
    if (t->exited)
        return;
    t->exited = true;
    if (t->machine->deleting || t->unopened)
        return;
    broker_emit(t->machine->broker, json_pack("{s:s, s:s, s:s, s:i, s:i}", "event", "terminal.exited", "machine",
                                              t->machine->id, "terminal", t->id, "kind", kind, "status", status));
}

// The monitor's status file: one line once the terminal is open, a second one when its program has ended.
typedef struct status {
    pid_t monitor;
    bool exited;
    int kind, code;
} status;

static int read_status(const broker *b, const char *machine_id, const char *id, status *s, bh_error *err) {
    char text[STATUS_MAX];
    state_name path = terminal_file(b, machine_id, id, ".sock.status");
    if (fs_read(AT_FDCWD, path.text, text, sizeof text, err) < 0)
        return -1;
    char *second = strchr(text, '\n');
    if (second)
        *second++ = '\0';
    cleanup_json json_t *opened = json_loads(text, 0, NULL);
    int pid, monitor;
    if (json_unpack(opened, "{s:i, s:i}", "pid", &pid, "monitor", &monitor) < 0)
        return bh_fail(err, 0, "%s is not a monitor's status", path.text);
    *s = (status){.monitor = monitor};
    cleanup_json json_t *ended = second ? json_loads(second, 0, NULL) : NULL;
    s->exited = json_unpack(ended, "{s:{s:i, s:i}}", "exited", "kind", &s->kind, "status", &s->code) == 0;
    return 0;
}

static void look_again(terminal *t) {
    status s;
    bh_error err;
    if (read_status(t->machine->broker, t->machine->id, t->id, &s, &err) == 0 && s.exited)
        set_exited(t, s.kind, s.code);
}

// A monitor that is gone took its terminal with it. If it had time to say how the program ended, that is what happened.
static void monitor_ended(loop_source *source, uint32_t events) {
    (void)events;
    terminal *t = (terminal *)((char *)source - offsetof(terminal, monitor_ended));
    look_again(t);
    set_exited(t, 1, SIGKILL);
    unwatch(t);
}

int terminal_add(machine *m, const char *id, pid_t monitor, bh_error *err) {
    terminal *t = calloc(1, sizeof *t);
    if (!t)
        return bh_fail(err, ENOMEM, "cannot keep terminal %s", id);
    broker *b = m->broker;
    snprintf(t->id, sizeof t->id, "%s", id);
    t->machine = m;
    t->monitor = monitor;
    t->start_time = process_start_time(monitor);
    t->monitor_ended = (loop_source){process_open(monitor, t->start_time, err), monitor_ended};
    t->watch = inotify_add_watch(b->terminal_events.fd, terminal_file(b, m->id, id, ".sock.status").text, IN_MODIFY);
    t->next = m->terminals;
    m->terminals = t;
    if (t->monitor_ended.fd >= 0 && loop_add(b->loop, &t->monitor_ended, EPOLLIN, err) == 0 && t->watch >= 0) {
        look_again(t); // it may have ended before the watch
        return 0;
    }
    if (t->watch < 0)
        bh_fail(err, errno, "cannot watch terminal %s (is fs.inotify.max_user_watches reached?)", id);
    terminal_forget(t);
    return -1;
}

static void status_changed(loop_source *source, uint32_t events) {
    (void)events;
    broker *b = (broker *)((char *)source - offsetof(broker, terminal_events));
    _Alignas(struct inotify_event) char buffer[4096];
    ssize_t got = read(source->fd, buffer, sizeof buffer);
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
        at += (ssize_t)(sizeof *event + event->len);
        for (machine *m = b->machines; m; m = m->next) {
            for (terminal *t = m->terminals; t; t = t->next) {
                if (t->watch == event->wd)
                    look_again(t);
            }
        }
    }
}

int terminals_watch(broker *b, bh_error *err) {
    b->terminal_events = (loop_source){inotify_init1(IN_CLOEXEC | IN_NONBLOCK), status_changed};
    if (b->terminal_events.fd < 0)
        return bh_fail(err, errno, "cannot watch terminals (is fs.inotify.max_user_instances reached?)");
    return loop_add(b->loop, &b->terminal_events, EPOLLIN, err);
}

void terminals_unwatch(broker *b) {
    if (b->terminal_events.fd < 0)
        return;
    loop_remove(b->loop, &b->terminal_events);
    close(b->terminal_events.fd);
}

// True if the process is the monitor that was started for this socket: the path is on its command line. A pid alone may
// have been given to another process since.
static bool is_monitor_of(pid_t pid, const char *socket_path) {
    char path[64], line[4096];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, line, sizeof line) : -1;
    return got > 0 && memmem(line, (size_t)got, socket_path, strlen(socket_path) + 1) != NULL;
}

// The ids of a machine's terminals, by their status files. Returns the count.
static size_t list_terminals(const broker *b, const char *machine_id, char ids[][17], size_t max) {
    cleanup_dir DIR *dir = opendir(machine_file(b, machine_id, "terminals").text);
    size_t count = 0;
    for (const struct dirent *entry; dir && count < max && (entry = readdir(dir));) {
        const char *end = strstr(entry->d_name, ".sock.status");
        size_t length = end ? (size_t)(end - entry->d_name) : 0;
        if (length == 0 || length >= sizeof ids[0] || strcmp(end, ".sock.status") != 0)
            continue;
        memcpy(ids[count], entry->d_name, length);
        ids[count][length] = '\0';
        if (is_terminal_id(ids[count]))
            count++;
    }
    return count;
}

void terminals_find(machine *m) {
    char ids[MAX_FOUND][17];
    size_t count = list_terminals(m->broker, m->id, ids, MAX_FOUND);
    for (size_t i = 0; i < count; i++) {
        status s;
        bh_error err;
        state_name path = terminal_file(m->broker, m->id, ids[i], ".sock");
        bool found = read_status(m->broker, m->id, ids[i], &s, &err) == 0;
        if (found && is_monitor_of(s.monitor, path.text) && terminal_add(m, ids[i], s.monitor, &err) == 0)
            continue;
        log_info("terminal %s of machine %s is gone", ids[i], m->id);
        terminal_end(m->broker, m->id, ids[i], &err);
    }
}

int terminal_end(const broker *b, const char *machine_id, const char *id, bh_error *err) {
    static const char *const suffixes[] = {".sock", ".sock.status", ".con", ".pid"};
    status s;
    bh_error unreadable;
    state_name path = terminal_file(b, machine_id, id, ".sock");
    bool known = read_status(b, machine_id, id, &s, &unreadable) == 0;
    if (known && is_monitor_of(s.monitor, path.text) &&
        process_end(s.monitor, process_start_time(s.monitor), CLOSE_PATIENCE_MS, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        unlink(terminal_file(b, machine_id, id, suffixes[i]).text);
    return 0;
}

int terminals_end(const broker *b, const char *machine_id, bh_error *err) {
    // Those that this broker knows, even if their files are gone; then those that only the files tell of.
    const machine *m = broker_find(b, machine_id);
    for (const terminal *t = m ? m->terminals : NULL; t; t = t->next) {
        if (process_end(t->monitor, t->start_time, CLOSE_PATIENCE_MS, err) < 0)
            return -1;
    }
    char ids[MAX_FOUND][17];
    for (size_t count; (count = list_terminals(b, machine_id, ids, MAX_FOUND)) > 0;) {
        for (size_t i = 0; i < count; i++) {
            if (terminal_end(b, machine_id, ids[i], err) < 0)
                return -1;
        }
    }
    return 0;
}
