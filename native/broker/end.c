// The end of machines: see end.h.
#include "broker/end.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/identity.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/process.h"
#include "broker/reap.h"
#include "broker/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#define KILL_TIMEOUT_MS 10000
#define RUNTIME_TIMEOUT_MS 20000
#define CONSOLE_LINE_MAX 120

int machine_save(const machine *m, bh_error *err) {
    cleanup_json json_t *record = machine_to_json(m, m->broker->boot_id);
    cleanup_free char *text = record ? json_dumps(record, JSON_INDENT(2)) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot write the record of machine %s", m->id);
    return fs_replace(AT_FDCWD, machine_file(m->broker, m->id, "machine.json").text, text, 0600, err);
}

// The last line with anything in it that the guest wrote on its serial console; empty when there is none.
static void last_console_line(const machine *m, char *line, size_t size) {
    char text[65536 + 1];
    bh_error err;
    line[0] = '\0';
    if (fs_read(AT_FDCWD, machine_file(m->broker, m->id, "console.log").text, text, sizeof text, &err) <= 0)
        return;
    const char *newline = strrchr(text, '\n');
    const char *last = newline ? newline + 1 : text;
    size_t length = 0;
    for (; *last && length + 1 < size; last++) {
        if (*last >= ' ' && *last <= '~') // the guest's words, for a person: nothing that a terminal would obey
            line[length++] = *last;
    }
    line[length] = '\0';
}

// `status` as from waitpid, or negative when the process was not this broker's child (it was started by an earlier
// one).
static void describe_end(machine *m, int status) {
    const char *what = m->kind == MACHINE_VM ? "QEMU" : "its first process";
    int length;
    if (status < 0)
        length = snprintf(m->exit, sizeof m->exit, "%s ended", what);
    else if (WIFSIGNALED(status))
        length = snprintf(m->exit, sizeof m->exit, "%s was killed by signal %d", what, WTERMSIG(status));
    else if (m->kind == MACHINE_VM && WEXITSTATUS(status) == 0)
        length = snprintf(m->exit, sizeof m->exit, "the guest powered off");
    else
        length = snprintf(m->exit, sizeof m->exit, "%s exited with status %d", what, WEXITSTATUS(status));

    cgroup_usage usage;
    bh_error err;
    char line[CONSOLE_LINE_MAX];
    size_t at = (size_t)length, room = sizeof m->exit - at;
    if (cgroup_read_usage(machine_cgroup(m->broker, m->id).text, &usage, &err) == 0 && usage.oom_kills > 0)
        snprintf(m->exit + at, room, "; the kernel had ended %lld of its processes for using too much memory",
                 (long long)usage.oom_kills);
    else if (m->kind == MACHINE_VM && (last_console_line(m, line, sizeof line), *line))
        snprintf(m->exit + at, room, "; the last line of its console: %s", line);
}

void machine_note_end(machine *m) {
    int status;
    if (waitpid(m->pid, &status, WNOHANG) != m->pid)
        status = -1;
    machine_unwatch(m);
    m->state = MACHINE_EXITED;
    if (m->deleting)
        return;
    describe_end(m, status);
    log_info("machine %s ended: %s", m->id, m->exit);
    bh_error err;
    if (machine_save(m, &err) < 0)
        log_error("%s", err.message);
    broker_emit(m->broker,
                json_pack("{s:s, s:s, s:s}", "event", "machine.exited", "machine", m->id, "reason", m->exit));
}

static void init_ended(loop_source *source, uint32_t events) {
    (void)events;
    machine_note_end((machine *)((char *)source - offsetof(machine, init)));
}

int machine_watch(machine *m, bh_error *err) {
    m->init = (loop_source){process_open(m->pid, m->start_time, err), init_ended};
    if (m->init.fd < 0)
        return -1;
    return loop_add(m->broker->loop, &m->init, EPOLLIN, err);
}

void machine_unwatch(machine *m) {
    if (m->init.fd < 0)
        return;
    loop_remove(m->broker->loop, &m->init);
    close(m->init.fd);
    m->init.fd = -1;
}

// The runtime removes what it made: its state, and (--force) what still runs.
static int delete_container(broker *b, const char *id, bh_error *err) {
    state_name path = program(b, "bulkhead"), root = runtime_root(b);
    char copy[33];
    snprintf(copy, sizeof copy, "%s", id);
    char *argv[] = {path.text, "--root", root.text, "delete", "--force", copy, NULL};
    process_spec spec = {.argv = argv, .output_max = 4096, .timeout_ms = RUNTIME_TIMEOUT_MS};
    process_result result;
    if (process_run(&spec, &result, err) < 0)
        return -1;
    int outcome = 0;
    if (result.exit_status != 0 || result.signal != 0) {
        char why[256];
        process_complaint(&result, why, sizeof why);
        outcome = bh_fail(err, 0, "cannot delete container %s: %s", id, why);
    }
    process_result_free(&result);
    return outcome;
}

int machine_destroy(broker *b, const char *id, bh_error *err) {
    state_name cgroup = machine_cgroup(b, id), dir = machine_dir(b, id), state;
    snprintf(state.text, sizeof state.text, "%.120s/%.32s", runtime_root(b).text, id);
    // Processes first, so that monitors see their programs end and tell their viewers; then their terminals.
    if (cgroup_kill_all(cgroup.text, KILL_TIMEOUT_MS, err) < 0 || terminals_end(b, id, err) < 0)
        return -1;
    // A VM, or a container that never came to be, has no runtime state.
    if (access(state.text, F_OK) == 0 && delete_container(b, id, err) < 0)
        return -1;
    if (cgroup_delete(cgroup.text, err) < 0)
        return -1;
    return fs_remove_tree(AT_FDCWD, dir.text, err);
}

typedef struct deletion {
    broker *broker;
    char id[33];
} deletion;

static int delete_body(void *argument, json_t **result, bh_error *err) {
    (void)result;
    deletion *d = argument;
    return machine_destroy(d->broker, d->id, err);
}

// Several clients may be waiting for the same machine's end: all are answered.
static void answer_deletions(broker *b, const char *id, const bh_error *failure) {
    for (request *r = b->requests, *next; r; r = next) {
        next = r->next;
        if (r->method->handle != machine_delete || strcmp(r->machine, id) != 0)
            continue;
        if (failure)
            request_fail(r, failure);
        else
            request_answer(r, NULL);
    }
}

static void delete_done(void *argument, json_t *result, const bh_error *err) {
    deletion *d = argument;
    machine *m = broker_find(d->broker, d->id);
    if (m && result) {
        log_info("machine %s deleted", m->id);
        broker_forget(d->broker, m);
    } else if (m) {
        m->deleting = false; // it may be tried again
    }
    answer_deletions(d->broker, d->id, result ? NULL : err);
    free(d);
}

void machine_start_deletion(machine *m) {
    deletion *d = calloc(1, sizeof *d);
    bh_error err;
    m->deleting = true;
    if (!d) {
        bh_fail(&err, ENOMEM, "cannot delete machine %s", m->id);
    } else {
        d->broker = m->broker;
        memcpy(d->id, m->id, sizeof d->id);
        if (job_start(m->broker->loop, delete_body, delete_done, d, &err) == 0)
            return;
    }
    free(d);
    m->deleting = false;
    answer_deletions(m->broker, m->id, &err);
}

bool machine_delete_if_wanted(machine *m) {
    if (!m->deleting)
        return false;
    machine_start_deletion(m);
    return true;
}

void machine_delete(request *r) {
    machine *m = broker_find(r->broker, r->machine);
    if (!m) {
        request_refuse(r, "not_found", "machine", "no machine %s here", r->machine);
        return;
    }
    if (machine_is_self(m)) {
        request_refuse(r, "denied", "machine", "this machine cannot be deleted from inside");
        return;
    }
    // Under way already: the answer comes with it. Still being made, or a terminal in it: the deletion begins after
    // that.
    if (m->deleting)
        return;
    m->deleting = true;
    if (m->state != MACHINE_CREATING && m->opening == 0)
        machine_start_deletion(m);
}

// Forks the end of one machine. Its pid, or negative.
static pid_t fork_destruction(broker *b, const machine *m, bh_error *err) {
    int fd;
    pid_t pid = job_fork(&fd, err);
    if (pid == 0) {
        if (machine_destroy(b, m->id, err) == 0)
            _exit(0);
        log_error("%s", err->message);
        _exit(1);
    }
    if (pid > 0)
        close(fd);
    return pid;
}

// In parallel, since most of the time is spent waiting for the kernel. What ends meanwhile has to be reaped here, since
// the loop does not run: a container's init is not gone before each of its processes has been.
int broker_end_all(broker *b, bh_error *err) {
    jobs_abandon();
    int failures = 0;
    bool waiting = false;
    for (machine *m = b->machines; m; m = m->next) {
        if (machine_is_self(m))
            continue;
        m->deleting = waiting = true;
        if ((m->destroyer = fork_destruction(b, m, err)) < 0)
            return -1;
    }
    while (waiting) {
        int status;
        pid_t pid = wait(&status);
        if (pid < 0 && errno != EINTR)
            return bh_fail(err, errno, "cannot wait for machines to end");
        waiting = false;
        for (machine *m = b->machines, *next; m; m = next) {
            next = m->next;
            if (pid > 0 && m->destroyer == pid) {
                m->destroyer = 0;
                failures += status != 0;
                if (status == 0)
                    broker_forget(b, m);
            } else if (m->destroyer > 0) {
                waiting = true;
            }
        }
    }
    reap_end_all();
    if (failures)
        return bh_fail(err, 0, "%d machines could not be ended", failures);
    return cgroup_delete(b->config.cgroup_parent, err);
}
