// The end of machines: see end.h.
#include "broker/end.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/checkpoint.h"
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
#include <sys/wait.h>

#define KILL_TIMEOUT_MS 10000
#define RUNTIME_TIMEOUT_MS 20000

int machine_save(const machine *m, bh_error *err) {
    cleanup_json json_t *record = machine_to_json(m, m->broker->boot_id);
    cleanup_free char *text = record ? json_dumps(record, JSON_INDENT(2)) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot write the record of machine %s", m->id);
    return fs_replace(AT_FDCWD, machine_file(m->broker, m->id, "machine.json").text, text, 0600, err);
}

// The runtime removes what it made: its state, and (--force) what still runs.
static int delete_container(broker *b, const char *id, bh_error *err) {
    state_name path = program(b, "bulkhead"), root = runtime_root(b);
    char copy[33];
    snprintf(copy, sizeof copy, "%s", id);
    char *argv[] = {path.text, "--root", root.text, "delete", "--force", copy, NULL};
    process_spec spec = {.argv = argv, .output_max = 4096, .timeout_ms = broker_patience(b, RUNTIME_TIMEOUT_MS)};
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

static int end_processes(broker *b, const char *id, bh_error *err) {
    state_name cgroup = machine_cgroup(b, id), state;
    snprintf(state.text, sizeof state.text, "%.120s/%.32s", runtime_root(b).text, id);
    // Processes first, so that monitors see their programs end and tell their viewers; then their terminals.
    if (cgroup_kill_all(cgroup.text, KILL_TIMEOUT_MS, err) < 0 || terminals_end(b, id, err) < 0)
        return -1;
    // A VM, or a container that never came to be, has no runtime state.
    if (access(state.text, F_OK) == 0 && delete_container(b, id, err) < 0)
        return -1;
    checkpoint_unmount_layer(b, id);
    return cgroup_delete(cgroup.text, err);
}

int machine_destroy(broker *b, const char *id, bh_error *err) {
    return end_processes(b, id, err) < 0 ? -1 : fs_remove_tree(AT_FDCWD, machine_dir(b, id).text, err);
}

int machine_clear(broker *b, const char *id, bh_error *err) {
    state_name path = machine_dir(b, id);
    if (end_processes(b, id, err) < 0)
        return -1;
    cleanup_dir DIR *dir = opendir(path.text);
    if (!dir)
        return errno == ENOENT ? 0 : bh_fail(err, errno, "cannot clear %s", path.text);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        bool kept = strcmp(entry->d_name, "snapshots") == 0 || strcmp(entry->d_name, "machine.json") == 0;
        if (!kept && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            fs_remove_tree(dirfd(dir), entry->d_name, err) < 0)
            return -1;
    }
    return 0;
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
        broker_emit(d->broker, json_pack("{s:s, s:s}", "event", "machine.deleted", "machine", m->id));
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
    if (m->state != MACHINE_CREATING && !m->restarting && m->opening == 0)
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
