// Running a program to its end: see process.h.
#include "broker/process.h"

#include "base/cgroup.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_TIMEOUT_MS 20000
#define FOLLOW_MS 1000
#define REPORT_MAX 65536

enum { IN, OUT, ERR, REPORT, ENDED, COUNT };

typedef struct run {
    const process_spec *spec;
    process_result *result;
    pid_t pid;
    struct pollfd fds[COUNT]; // the broker's ends; fds[ENDED] is a pidfd
    size_t input_at;
} run;

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// In the child: standard streams (and fd 3) are the pipes, everything else closes on execve.
static _Noreturn void become_program(const process_spec *spec, const int ends[REPORT + 1], pid_t parent) {
    bh_error err;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    setsid();
    signal(SIGPIPE, SIG_DFL); // ignored here, and execve keeps that: `yes | head` would complain for ever
    if (spec->joins_cgroup && cgroup_join_self(spec->cgroup, &err) < 0) {
        dprintf(ends[ERR], "%s\n", err.message);
        _exit(127);
    }
    // The ends are all above 3 (see open_pipes), so no dup2 overwrites one that is still needed.
    for (int i = 0; i <= REPORT; i++) {
        if (ends[i] >= 0 && dup2(ends[i], i) < 0)
            _exit(127);
    }
    close_range(spec->reports ? 4 : 3, ~0U, 0);
    if (chdir(spec->cwd ? spec->cwd : "/") < 0) {
        dprintf(2, "cannot enter %s: %s\n", spec->cwd, strerror(errno));
        _exit(127);
    }
    static char *empty[] = {NULL};
    environ = spec->envp ? (char **)(uintptr_t)spec->envp : empty; // its PATH is the one that is searched
    execvp(spec->argv[0], spec->argv);
    dprintf(2, "cannot run %s: %s\n", spec->argv[0], strerror(errno));
    _exit(127);
}

static void close_all(int fds[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

// `ours` and `theirs` get one end each of a pipe for every stream. Theirs are moved above 3.
static int open_pipes(const process_spec *spec, int ours[REPORT + 1], int theirs[REPORT + 1], bh_error *err) {
    for (int i = 0; i <= REPORT; i++)
        ours[i] = theirs[i] = -1;
    for (int i = IN; i <= (spec->reports ? REPORT : ERR); i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
            return bh_fail(err, errno, "cannot make a pipe for %s", spec->argv[0]);
        ours[i] = ends[i == IN];
        theirs[i] = fcntl(ends[i != IN], F_DUPFD_CLOEXEC, 4);
        close(ends[i != IN]);
        // A broker's end that blocks would hold up the deadline.
        if (theirs[i] < 0 || fcntl(ours[i], F_SETFL, O_NONBLOCK) < 0)
            return bh_fail(err, errno, "cannot make a pipe for %s", spec->argv[0]);
    }
    return 0;
}

static int start(run *r, bh_error *err) {
    int ours[REPORT + 1], theirs[REPORT + 1];
    int opened = open_pipes(r->spec, ours, theirs, err);
    pid_t parent = getpid();
    r->pid = opened < 0 ? -1 : fork();
    if (r->pid == 0)
        become_program(r->spec, theirs, parent);
    if (opened == 0 && r->pid < 0)
        bh_fail(err, errno, "cannot fork for %s", r->spec->argv[0]);
    close_all(theirs, REPORT + 1);
    if (r->pid < 0) {
        close_all(ours, REPORT + 1);
        return -1;
    }
    int process = (int)syscall(SYS_pidfd_open, r->pid, 0);
    if (process < 0) {
        bh_fail(err, errno, "cannot watch %s", r->spec->argv[0]);
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
        close_all(ours, REPORT + 1);
        return -1;
    }
    for (int i = 0; i <= REPORT; i++)
        r->fds[i] = (struct pollfd){ours[i], i == IN ? POLLOUT : POLLIN, 0};
    r->fds[ENDED] = (struct pollfd){process, POLLIN, 0};
    return 0;
}

static void close_stream(run *r, int which) {
    close(r->fds[which].fd);
    r->fds[which].fd = -1; // poll(2) ignores it from now on
}

static void feed(run *r) {
    size_t left = r->spec->input_length - r->input_at;
    ssize_t put = left > 0 ? write(r->fds[IN].fd, r->spec->input + r->input_at, left) : 0;
    if (put > 0)
        r->input_at += (size_t)put;
    bool stuck = put < 0 && errno != EAGAIN && errno != EINTR;
    if (stuck || r->input_at == r->spec->input_length)
        close_stream(r, IN);
}

// Reads what is there of one stream; false once there is nothing more for now.
static bool collect(run *r, int which) {
    process_output *into = which == OUT ? &r->result->out : (which == ERR ? &r->result->error : &r->result->report);
    size_t max = which == REPORT ? REPORT_MAX : r->spec->output_max;
    char chunk[16384];
    ssize_t got = read(r->fds[which].fd, chunk, sizeof chunk);
    if (got < 0)
        return errno == EINTR;
    if (got == 0) {
        close_stream(r, which);
        return false;
    }
    size_t room = max - into->length;
    size_t keep = (size_t)got < room ? (size_t)got : room;
    if (keep < (size_t)got)
        r->result->truncated = true;
    char *larger = keep > 0 ? realloc(into->bytes, into->length + keep + 1) : NULL;
    if (larger) {
        memcpy(larger + into->length, chunk, keep);
        into->length += keep;
        larger[into->length] = '\0';
        into->bytes = larger;
    }
    return true;
}

static int kill_tree(run *r, bh_error *err) {
    r->result->timed_out = true;
    if (!r->spec->cgroup)
        kill(r->pid, SIGKILL);
    else if (cgroup_kill_all(r->spec->cgroup, KILL_TIMEOUT_MS, err) < 0)
        return -1;
    // A program outside the group (the runtime) sees its own child end, reaps it and follows. One that does not is
    // killed.
    if (poll(&r->fds[ENDED], 1, FOLLOW_MS) == 0)
        kill(r->pid, SIGKILL);
    return 0;
}

static int wait_for_end(run *r, int64_t deadline_us, bh_error *err) {
    bool ended = false;
    while (!ended) {
        int64_t left_us = deadline_us - now_us();
        if (left_us <= 0 && !r->result->timed_out && kill_tree(r, err) < 0)
            return -1;
        int wait_ms = left_us > 0 ? (int)(left_us / 1000 + 1) : KILL_TIMEOUT_MS;
        if (poll(r->fds, COUNT, wait_ms) < 0 && errno != EINTR)
            return bh_fail(err, errno, "cannot wait for %s", r->spec->argv[0]);
        if (r->fds[IN].fd >= 0 && r->fds[IN].revents)
            feed(r);
        ended = r->fds[ENDED].revents != 0;
        for (int i = OUT; i <= REPORT; i++) {
            // A child that it left in the background may hold the pipes for ever; nothing is waited for after its end.
            // One read a round, so that a program that never stops printing cannot hold off the deadline; all there is
            // once it has ended.
            bool more = r->fds[i].fd >= 0 && (r->fds[i].revents || ended);
            for (int64_t reads = 0; more && (reads == 0 || (ended && reads < 64)); reads++)
                more = collect(r, i);
        }
    }
    return 0;
}

int process_run(const process_spec *spec, process_result *result, bh_error *err) {
    *result = (process_result){0};
    run r = {.spec = spec, .result = result};
    int64_t begun = now_us();
    signal(SIGPIPE, SIG_IGN); // a program may close its standard input before it was all written
    if (start(&r, err) < 0)
        return -1;
    int outcome = wait_for_end(&r, begun + spec->timeout_ms * 1000, err);
    if (outcome < 0)
        kill(r.pid, SIGKILL);
    int status = 0;
    while (waitpid(r.pid, &status, 0) < 0 && errno == EINTR)
        continue;
    result->duration_us = now_us() - begun;
    result->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    for (int i = 0; i < COUNT; i++) {
        if (r.fds[i].fd >= 0)
            close(r.fds[i].fd);
    }
    return outcome;
}

void process_result_free(process_result *result) {
    free(result->out.bytes);
    free(result->error.bytes);
    free(result->report.bytes);
    *result = (process_result){0};
}

void process_complaint(const process_result *result, char *text, size_t size) {
    const char *line = result->error.bytes ? result->error.bytes : "";
    size_t length = strlen(line);
    while (length > 0 && line[length - 1] == '\n')
        length--;
    size_t begin = length;
    while (begin > 0 && line[begin - 1] != '\n')
        begin--;
    if (length > begin)
        snprintf(text, size, "%.*s", (int)(length - begin), line + begin);
    else if (result->timed_out)
        snprintf(text, size, "it did not finish in time");
    else if (result->signal)
        snprintf(text, size, "it was killed by signal %d", result->signal);
    else
        snprintf(text, size, "it exited with status %d", result->exit_status);
}

int process_run_or_fail(const process_spec *spec, bh_error *err) {
    process_result result;
    char why[400];
    if (process_run(spec, &result, err) < 0)
        return -1;
    int status = result.exit_status;
    bool failed = status != 0 || result.signal != 0, late = result.timed_out;
    process_complaint(&result, why, sizeof why);
    process_result_free(&result);
    if (failed)
        bh_fail(err, 0, "%s", why);
    if (failed && status == PROCESS_UNSUPPORTED)
        err->code = ENOTSUP;
    if (late)
        err->code = ETIMEDOUT;
    return failed ? -1 : 0;
}
