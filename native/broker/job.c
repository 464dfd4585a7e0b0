// Jobs: see job.h. A job writes JSON to a pipe: what it tells on the way, each on a line, and at last, without a
// newline,
// {"result": {...}} or {"error": message, "code": errno}.
#include "broker/job.h"

#include "base/cleanup.h"
#include "broker/log.h"
#include "broker/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// Above any result: exec's two streams of 64 KiB, every byte of them escaped by JSON.
#define RESULT_MAX (2 * 1024 * 1024)

struct job {
    loop *loop;
    loop_source pipe;
    loop_child child;
    job_news *news; // NULL: it tells nothing
    job_done *done;
    void *argument;
    char *text;
    size_t length;
    int references; // the pipe and the child, whichever ends last frees the job
    job *next;
};

static job *under_way; // a process has one broker

static void unreference(job *j) {
    if (--j->references > 0)
        return;
    for (job **at = &under_way; *at; at = &(*at)->next) {
        if (*at == j) {
            *at = j->next;
            break;
        }
    }
    free(j->text);
    free(j);
}

static void deliver(job *j) {
    cleanup_json json_t *answer = json_loadb(j->text ? j->text : "", j->length, JSON_ALLOW_NUL, NULL);
    json_t *result = json_object_get(answer, "result");
    bh_error err;
    if (!result) {
        // Without an answer it may be anywhere in its work: it must not go on, unwatched.
        if (!answer)
            kill(j->child.pid, SIGKILL);
        const char *message = json_string_value(json_object_get(answer, "error"));
        bh_fail(&err, 0, "%s", message ? message : "the broker's job ended without an answer (was it killed?)");
        err.code = answer ? (int)json_integer_value(json_object_get(answer, "code")) : JOB_DIED;
    }
    j->done(j->argument, result, &err);
}

// Hands on the lines that are whole, and keeps the rest.
static void deliver_news(job *j) {
    for (char *end; j->news && (end = memchr(j->text, '\n', j->length));) {
        cleanup_json json_t *told = json_loadb(j->text, (size_t)(end - j->text), 0, NULL);
        j->length -= (size_t)(end - j->text) + 1;
        memmove(j->text, end + 1, j->length);
        if (told)
            j->news(j->argument, told);
    }
}

static void pipe_ready(loop_source *source, uint32_t events) {
    job *j = (job *)((char *)source - offsetof(job, pipe));
    (void)events;
    char chunk[65536];
    ssize_t got = read(source->fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got > 0 && j->length + (size_t)got <= RESULT_MAX) {
        char *larger = realloc(j->text, j->length + (size_t)got);
        if (larger) {
            memcpy(larger + j->length, chunk, (size_t)got);
            j->text = larger;
            j->length += (size_t)got;
            deliver_news(j);
            return;
        }
    }
    loop_remove(j->loop, source);
    close(source->fd);
    deliver(j);
    unreference(j);
}

static void child_exited(loop_child *child, int wait_status) {
    (void)wait_status; // what it had to say came through the pipe
    unreference((job *)((char *)child - offsetof(job, child)));
}

static void write_json(int fd, json_t *value, const char *end) {
    cleanup_json json_t *owned = value;
    cleanup_free char *text = owned ? json_dumps(owned, JSON_COMPACT) : NULL;
    const char *const parts[] = {text ? text : "", end};
    for (size_t i = 0; i < 2; i++) {
        for (size_t at = 0, length = strlen(parts[i]); at < length;) {
            ssize_t put = write(fd, parts[i] + at, length - at);
            if (put < 0 && errno != EINTR)
                return;
            at += put > 0 ? (size_t)put : 0;
        }
    }
}

static void write_answer(int fd, json_t *result, int outcome, const bh_error *err) {
    write_json(fd,
               outcome < 0 ? json_pack("{s:o, s:i}", "error", utf8_to_json(err->message, strlen(err->message)), "code",
                                       err->code)
                           : json_pack("{s:o}", "result", result ? result : json_object()),
               "");
}

// Of a job only; each is a process of its own.
static int result_fd_of_this_job = -1;
static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

void job_tell(json_t *told) {
    write_json(result_fd_of_this_job, told, "\n");
}

bool job_interrupted(void) {
    return interrupted;
}

void job_interrupt(job *j) {
    kill(j->child.pid, SIGUSR1);
}

// Nothing of the broker's but standard error stays open in a job: a copy of the lock would outlive the broker, a copy
// of a connection would keep the peer from seeing it close.
static int detach_from_broker(int result_fd, pid_t broker_pid) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != broker_pid) // it may have died before prctl
        _exit(1);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(2, 1) < 0 || dup3(result_fd, 3, O_CLOEXEC) < 0)
        _exit(1);
    close_range(4, ~0U, 0);
    return 3;
}

int job_fork(int *result_fd, bh_error *err) {
    int ends[2]; // both ways: see job_start_telling
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return bh_fail(err, errno, "cannot make a pipe for a job");
    pid_t broker_pid = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        int code = errno;
        close(ends[0]);
        close(ends[1]);
        return bh_fail(err, code, "cannot fork a job");
    }
    if (pid == 0) {
        *result_fd = detach_from_broker(ends[1], broker_pid);
        return 0;
    }
    close(ends[1]);
    *result_fd = ends[0];
    return pid;
}

job *job_start_telling(loop *l, job_body *body, job_news *news, job_done *done, void *argument, bh_error *err) {
    job *j = calloc(1, sizeof *j);
    if (!j) {
        bh_fail(err, ENOMEM, "cannot start a job");
        return NULL;
    }
    int fd;
    // Before there is a job: one that were interrupted without a handler would be ended with its work half done.
    interrupted = 0;
    if (news)
        signal(SIGUSR1, note_interrupt);
    int pid = job_fork(&fd, err);
    if (pid == 0) {
        char go;
        // What this process was given stays in sight of whoever looks for what was lost.
        *j = (job){.argument = argument, .next = under_way};
        under_way = j;
        if (read(fd, &go, 1) != 1)
            _exit(1); // nobody would wait for it, nor know what it has made
        result_fd_of_this_job = fd;
        json_t *result = NULL;
        int outcome = body(argument, &result, err);
        write_answer(fd, result, outcome, err);
        _exit(0);
    }
    if (pid < 0) {
        free(j);
        return NULL;
    }
    *j = (job){.loop = l,
               .news = news,
               .pipe = {fd, pipe_ready},
               .child = {.exited = child_exited, .pid = pid},
               .done = done,
               .argument = argument,
               .references = 2};
    fcntl(fd, F_SETFL, O_NONBLOCK);
    // Begun only when it is watched: one that cannot be, has made nothing when it is ended here. (EPIPE: it has ended
    // itself, and the loop will hear of that.)
    int watched = loop_add(l, &j->pipe, EPOLLIN, err) < 0 ? -1 : loop_watch_child(l, &j->child, err);
    if (watched == 0 && send(fd, "", 1, MSG_NOSIGNAL) < 0 && errno != EPIPE) {
        watched = bh_fail(err, errno, "cannot start a job");
        loop_unwatch_child(l, &j->child);
    }
    if (watched < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        loop_remove(l, &j->pipe);
        close(fd);
        free(j);
        return NULL;
    }
    j->next = under_way;
    under_way = j;
    return j;
}

int job_start(loop *l, job_body *body, job_done *done, void *argument, bh_error *err) {
    return job_start_telling(l, body, NULL, done, argument, err) ? 0 : -1;
}

void jobs_abandon(void) {
    while (under_way) {
        job *j = under_way;
        under_way = j->next;
        loop_unwatch_child(j->loop, &j->child);
        kill(j->child.pid, SIGKILL);
        waitpid(j->child.pid, NULL, 0);
        loop_remove(j->loop, &j->pipe);
        close(j->pipe.fd);
        free(j->text);
        free(j);
    }
}
