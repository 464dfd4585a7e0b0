// Starting a terminal's monitor: see terminal_monitor.h. What its options mean: native/monitor/bulkhead-monitor.c.
#include "broker/terminal_monitor.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/selinux.h"
#include "broker/identity.h"
#include "broker/profile.h"
#include "broker/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_TIMEOUT_MS 15000
#define ARGUMENTS_MAX 400
enum { MASTER_FD = 4 }; // in the monitor

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
static void argue_command(arguments *a, const terminal_monitor *o, const char *runtime, const char *root,
                          const char *console, const char *pid_file) {
    static char *const login_shell[] = {"/bin/bash", "-l", NULL};
    if (!o->direct) {
        argue(a, runtime);
        argue_pair(a, "--root", root);
        argue(a, "exec");
        argue(a, "--tty");
        argue(a, "--detach");
        if (o->orphan)
            argue(a, "--orphan");
        argue_pair(a, "--console-socket", console);
        argue_pair(a, "--pid-file", pid_file);
        argue_pair(a, "--cwd", "/root");
        argue_pair(a, "--user", "0");
        for (size_t i = 0; profile_environment[i]; i++)
            argue_pair(a, "--env", profile_environment[i]);
        argue(a, o->machine);
    }
    for (char *const *word = o->command ? o->command : login_shell; *word; word++)
        argue(a, *word);
}

static _Noreturn void become_monitor(const terminal_monitor *o, const char *const *argv, int status_fd) {
    signal(SIGPIPE, SIG_DFL); // ignored here, and execve keeps that
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    // Not the broker's standard error: whoever reads that would have to wait for every terminal to end.
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(null_fd, 2) < 0)
        _exit(127);
    // To a number that is surely neither: dup2 onto itself would leave close-on-exec set.
    int high = fcntl(status_fd, F_DUPFD_CLOEXEC, 10),
        master = o->master < 0 ? -1 : fcntl(o->master, F_DUPFD_CLOEXEC, 10);
    if (high < 0 || dup2(high, 3) < 0 || (o->master >= 0 && (master < 0 || dup2(master, MASTER_FD) < 0)))
        _exit(127);
    close_range(o->master < 0 ? MASTER_FD : MASTER_FD + 1, ~0U, 0);
    if (chdir(o->direct ? "/root" : "/") < 0 && chdir("/") < 0)
        _exit(127);
    bh_error err;
    bool labelled = o->label && *o->label;
    cleanup_fd int proc = labelled ? open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (labelled && selinux_write_attribute(proc, "exec", o->label, &err) < 0) {
        dprintf(3, "{\"error\": \"the monitor cannot be labelled\"}\n");
        _exit(127);
    }
    const char *const *environment = o->environment ? o->environment : profile_environment;
    execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
    dprintf(3, "{\"error\": \"cannot run %s: %s\"}\n", argv[0], strerror(errno));
    _exit(127);
}

// A child in the monitors' group: born in it, for to move a process takes the kernel some ten milliseconds.
static pid_t fork_monitor(const broker *b, bh_error *err) {
    struct clone_args args = {.exit_signal = SIGCHLD};
    cleanup_fd int group = -1;
    if (has_monitors_group(b)) {
        group = cgroup_open(monitors_cgroup(b).text, err);
        if (group < 0)
            return -1;
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)(unsigned)group;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0)
        bh_fail(err, errno, "cannot fork a monitor");
    return pid;
}

// The one line that the monitor writes when the terminal is open, or cannot be.
static int read_opened(int fd, int limit_ms, json_t **opened, bh_error *err) {
    char line[1024];
    size_t length = 0;
    int64_t deadline = (int64_t)loop_now_ms() + limit_ms;
    while (length < sizeof line - 1 && !memchr(line, '\n', length)) {
        int64_t left = deadline - (int64_t)loop_now_ms();
        struct pollfd readable = {fd, POLLIN, 0};
        if (left <= 0 || poll(&readable, 1, (int)left) == 0)
            return bh_fail(err, 0, "the terminal's monitor does not answer within %d ms", limit_ms);
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

int terminal_start_monitor(const terminal_monitor *o, json_t **opened, bh_error *err) {
    const broker *b = o->broker;
    state_name socket_path = terminal_file(b, o->machine, o->terminal, ".sock");
    state_name console = terminal_file(b, o->machine, o->terminal, ".con");
    state_name pid_file = terminal_file(b, o->machine, o->terminal, ".pid");
    state_name monitor = program(b, "bulkhead-monitor"), runtime = program(b, "bulkhead"), root = runtime_root(b);

    arguments a = {0};
    argue(&a, monitor.text);
    argue_pair(&a, "--socket", socket_path.text);
    argue_number(&a, "--socket-uid", b->config.server_uid);
    argue_number(&a, "--socket-gid", b->config.server_gid);
    argue_number(&a, "--uid", o->service_id);
    argue_number(&a, "--gid", o->service_id);
    argue_number(&a, "--columns", o->columns);
    argue_number(&a, "--rows", o->rows);
    argue_pair(&a, "--status-fd", "3");
    if (o->master >= 0) {
        argue_number(&a, "--master-fd", MASTER_FD);
        argue_number(&a, "--program", o->program);
        argue_pair(&a, "--replay", o->replay);
        argue_number(&a, "--replay-from", o->replay_from);
    } else {
        if (!o->direct) {
            argue_pair(&a, "--console-socket", console.text);
            argue_pair(&a, "--pid-file", pid_file.text);
            if (o->orphan)
                argue(&a, "--orphan");
        }
        argue(&a, "--");
        argue_command(&a, o, runtime.text, root.text, console.text, pid_file.text);
    }

    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot make a pipe for the monitor");
    pid_t pid = fork_monitor(b, err);
    if (pid == 0)
        become_monitor(o, a.list, ends[1]);
    close(ends[1]);
    cleanup_fd int status_fd = ends[0];
    if (pid < 0)
        return -1;
    if (read_opened(status_fd, broker_patience(b, OPEN_TIMEOUT_MS), opened, err) == 0)
        return 0;
    // It may still be trying: nothing of it is to remain.
    bh_error ignored;
    process_end(pid, process_start_time(pid), 1000, &ignored);
    terminal_end(b, o->machine, o->terminal, &ignored);
    return -1;
}
