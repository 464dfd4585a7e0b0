// terminal.open, terminal.close and channel.open.
#include "base/cleanup.h"
#include "base/selinux.h"
#include "broker/end.h"
#include "broker/first_shell.h"
#include "broker/identity.h"
#include "broker/ids.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/profile.h"
#include "broker/restart.h"
#include "broker/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OPEN_TIMEOUT_MS 15000
#define ARGUMENTS_MAX 400

// What an opening job is about; `machine` may be gone when it is done, so it is named.
typedef struct opening {
    request *request;
    char id[17];
    bool direct; // the guest itself: no container to enter
    bool first;  // the shell that is stopped before its prompt (first_shell.h), and opened to nobody yet
    uid_t service_id;
    char label[MCS_LABEL_MAX]; // the monitor's; may be empty
} opening;

// An argument list being written; the strings live in `text` or with the caller.
typedef struct arguments {
    const char *list[ARGUMENTS_MAX];
    size_t count;
    char text[1024];
    size_t used;
} arguments;

static void argue(arguments *a, const char *argument) {
    if (a->count + 1 < ARGUMENTS_MAX)
        a->list[a->count++] = argument;
    a->list[a->count] = NULL;
}

static void argue_pair(arguments *a, const char *option, const char *value) {
    argue(a, option);
    argue(a, value);
}

static void argue_number(arguments *a, const char *option, int64_t value) {
    char *at = a->text + a->used;
    int length = snprintf(at, sizeof a->text - a->used, "%lld", (long long)value);
    a->used += (size_t)length + 1;
    argue_pair(a, option, at);
}

// The command that the monitor runs: the shell or program itself in a guest, else the runtime entering the container.
static void argue_command(arguments *a, const opening *o, const char *runtime, const char *root, const char *console,
                          const char *pid_file, char *const *command) {
    static char *const login_shell[] = {"/bin/bash", "-l", NULL};
    if (!o->direct) {
        argue(a, runtime);
        argue_pair(a, "--root", root);
        argue(a, "exec");
        argue(a, "--tty");
        argue(a, "--detach");
        argue_pair(a, "--console-socket", console);
        argue_pair(a, "--pid-file", pid_file);
        argue_pair(a, "--cwd", "/root");
        argue_pair(a, "--user", "0");
        for (size_t i = 0; profile_environment[i]; i++)
            argue_pair(a, "--env", profile_environment[i]);
        argue(a, o->request->machine);
    }
    for (char *const *word = command ? command : login_shell; *word; word++)
        argue(a, *word);
}

static _Noreturn void become_monitor(const opening *o, const char *const *argv, int status_fd) {
    signal(SIGPIPE, SIG_DFL); // ignored here, and execve keeps that
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    // Not the broker's standard error: whoever reads that would have to wait for every terminal to end.
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(null_fd, 2) < 0)
        _exit(127);
    // To a number that is surely neither: dup2 onto itself would leave close-on-exec set.
    int high = fcntl(status_fd, F_DUPFD_CLOEXEC, 10);
    if (high < 0 || dup2(high, 3) < 0)
        _exit(127);
    close_range(4, ~0U, 0);
    if (chdir(o->direct ? "/root" : "/") < 0 && chdir("/") < 0)
        _exit(127);
    bh_error err;
    cleanup_fd int proc = *o->label ? open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (*o->label && selinux_write_attribute(proc, "exec", o->label, &err) < 0) {
        dprintf(3, "{\"error\": \"the monitor cannot be labelled\"}\n");
        _exit(127);
    }
    const char *const *environment = o->first ? first_shell_environment(o->request->broker) : profile_environment;
    execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
    dprintf(3, "{\"error\": \"cannot run %s: %s\"}\n", argv[0], strerror(errno));
    _exit(127);
}

// The one line that the monitor writes when the terminal is open, or cannot be.
static int read_opened(int fd, json_t **opened, bh_error *err) {
    char line[1024];
    size_t length = 0;
    int64_t deadline = (int64_t)loop_now_ms() + OPEN_TIMEOUT_MS;
    while (length < sizeof line - 1 && !memchr(line, '\n', length)) {
        int64_t left = deadline - (int64_t)loop_now_ms();
        struct pollfd readable = {fd, POLLIN, 0};
        if (left <= 0 || poll(&readable, 1, (int)left) == 0)
            return bh_fail(err, ETIMEDOUT, "the terminal's monitor does not answer");
        ssize_t got = read(fd, line + length, sizeof line - 1 - length);
        if (got == 0)
            break;
        length += got > 0 ? (size_t)got : 0;
    }
    *opened = json_loadb(line, length, JSON_DISABLE_EOF_CHECK, NULL);
    const char *complaint = json_string_value(json_object_get(*opened, "error"));
    if (complaint)
        return bh_fail(err, 0, "cannot open a terminal: %s", complaint);
    if (!json_is_integer(json_object_get(*opened, "monitor")))
        return bh_fail(err, 0, "the terminal's monitor ended without a word");
    return 0;
}

static int open_body(void *argument, json_t **result, bh_error *err) {
    opening *o = argument;
    const request *r = o->request;
    const broker *b = r->broker;
    state_name socket_path = terminal_file(b, r->machine, o->id, ".sock");
    state_name console = terminal_file(b, r->machine, o->id, ".con");
    state_name pid_file = terminal_file(b, r->machine, o->id, ".pid");
    state_name monitor = program(b, "bulkhead-monitor"), runtime = program(b, "bulkhead"), root = runtime_root(b);
    cleanup_free char **command = params_strings(r->params, "command");

    arguments a = {0};
    argue(&a, monitor.text);
    argue_pair(&a, "--socket", socket_path.text);
    argue_number(&a, "--socket-uid", b->config.server_uid);
    argue_number(&a, "--socket-gid", b->config.server_gid);
    argue_number(&a, "--uid", o->service_id);
    argue_number(&a, "--gid", o->service_id);
    argue_number(&a, "--columns", params_integer(r->params, "columns", 80));
    argue_number(&a, "--rows", params_integer(r->params, "rows", 24));
    argue_pair(&a, "--status-fd", "3");
    if (!o->direct) {
        argue_pair(&a, "--console-socket", console.text);
        argue_pair(&a, "--pid-file", pid_file.text);
    }
    argue(&a, "--");
    argue_command(&a, o, runtime.text, root.text, console.text, pid_file.text, command);

    cleanup_fd int stopped = o->first ? first_shell_watch(b, err) : -1;
    int ends[2];
    if (o->first && stopped < 0)
        return -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot make a pipe for the monitor");
    pid_t pid = fork();
    if (pid == 0)
        become_monitor(o, a.list, ends[1]);
    close(ends[1]);
    cleanup_fd int status_fd = ends[0];
    if (pid < 0)
        return bh_fail(err, errno, "cannot fork a monitor");
    if (read_opened(status_fd, result, err) == 0 && (!o->first || first_shell_await(stopped, err) == 0))
        return 0;
    // It may still be trying: nothing of it is to remain.
    bh_error ignored;
    process_end(pid, process_start_time(pid), 1000, &ignored);
    terminal_end(b, r->machine, o->id, &ignored);
    return -1;
}

static pid_t pid_in(json_t *opened, const char *name) {
    return (pid_t)json_integer_value(json_object_get(opened, name));
}

static void open_done(void *argument, json_t *result, const bh_error *err) {
    opening *o = argument;
    request *r = o->request;
    machine *m = broker_find(r->broker, r->machine);
    bh_error failure;
    m->opening--;
    if (!result)
        request_fail(r, err);
    else if (m->deleting || m->restarting) // its monitor ends with the machine: whoever ends it looks at the files
        request_refuse(r, "not_found", "machine", "machine %s is being %s", r->machine,
                       m->deleting ? "deleted" : "restarted");
    else if (terminal_add(m, o->id, pid_in(result, "monitor"), &failure) < 0 ||
             (o->first && first_shell_keep(m->terminals, pid_in(result, "pid"), &failure) < 0))
        request_fail(r, &failure);
    else
        request_answer(r, json_pack("{s:s}", "terminal", o->id));
    free(o);
    if (m->opening == 0 && !machine_restart_if_wanted(m))
        machine_delete_if_wanted(m);
}

static int choose_id(const machine *m, char id[17]) {
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789"; // 32 letters, none mistaken for another
    unsigned char random[TERMINAL_ID_LENGTH];
    do {
        if (getrandom(random, sizeof random, 0) != sizeof random)
            return -1;
        for (size_t i = 0; i < TERMINAL_ID_LENGTH; i++)
            id[i] = alphabet[random[i] % 32];
        id[TERMINAL_ID_LENGTH] = '\0';
    } while (terminal_find(m, id));
    return 0;
}

static size_t count_terminals(const machine *m) {
    size_t count = 0;
    for (const terminal *t = m->terminals; t; t = t->next)
        count++;
    return count;
}

void terminal_open_in(request *r, machine *m, bool first) {
    // Those being opened as well: whoever is inside can stop what comes in and so have them wait.
    if (count_terminals(m) + (size_t)m->opening >= TERMINALS_PER_MACHINE) {
        request_refuse(r, "limit", NULL, "machine %s has %d terminals; close one first", m->id, TERMINALS_PER_MACHINE);
        return;
    }
    opening *o = calloc(1, sizeof *o);
    bh_error err;
    if (!o || choose_id(m, o->id) < 0) {
        bh_fail(&err, ENOMEM, "cannot open a terminal");
    } else {
        o->request = r;
        o->direct = machine_is_self(m);
        o->first = first;
        o->service_id = slot_service_id(r->broker->config.id_base, m->slot);
        mcs_monitor_label(m->label, o->label);
        if (job_start(r->broker->loop, open_body, open_done, o, &err) == 0) {
            m->opening++; // it cannot be deleted before that is done
            return;
        }
    }
    free(o);
    request_fail(r, &err);
}

void terminal_open(request *r) {
    machine *m = request_machine_to_enter(r);
    if (m && !first_shell_give(r, m))
        terminal_open_in(r, m, false);
}

static int close_body(void *argument, json_t **result, bh_error *err) {
    (void)result;
    const request *r = argument;
    return terminal_end(r->broker, r->machine, params_string(r->params, "terminal"), err);
}

static void close_done(void *argument, json_t *result, const bh_error *err) {
    request *r = argument;
    machine *m = broker_find(r->broker, r->machine);
    terminal *t = m ? terminal_find(m, params_string(r->params, "terminal")) : NULL;
    if (!result) {
        request_fail(r, err);
        return;
    }
    if (t)
        terminal_forget(t);
    request_answer(r, NULL);
}

// The terminal that the request names; NULL when there is none, and the request is then answered.
static terminal *request_terminal(request *r) {
    machine *m = request_machine(r);
    if (!m)
        return NULL;
    const char *id = params_string(r->params, "terminal");
    terminal *t = terminal_find(m, id);
    if (!t)
        request_refuse(r, "not_found", "terminal", "no terminal %s in machine %s", id, m->id);
    return t;
}

void terminal_close(request *r) {
    bh_error err;
    if (request_terminal(r) && job_start(r->broker->loop, close_body, close_done, r, &err) < 0)
        request_fail(r, &err);
}

void channel_open(request *r) {
    if (!r->client->open_channel) {
        request_refuse(r, "unsupported", NULL,
                       "connect to the terminal's attach socket; channels exist on a link only");
        return;
    }
    terminal *t = request_terminal(r);
    if (!t)
        return;
    bh_error err;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    state_name path = terminal_file(r->broker, r->machine, t->id, ".sock");
    memcpy(address.sun_path, path.text, strnlen(path.text, sizeof address.sun_path - 1));
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        bh_fail(&err, errno, "cannot connect to terminal %s", t->id);
        request_fail(r, &err);
        return;
    }
    int channel = r->client->open_channel(r->client, take_fd(&fd), &err);
    if (channel < 0)
        request_fail(r, &err);
    else
        request_answer(r, json_pack("{s:i}", "channel", channel));
}
