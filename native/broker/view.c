// machine.view: which processes are a machine's, and nobody else's. What is told of each: view_process.c.
#include "broker/view.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/job.h"
#include "broker/methods.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Of a machine with more, those with the lowest pids are told.
enum { PROCESSES_MAX = 64 };
// To read a command line is to read the process's own memory, and that can be a file system which does not answer.
enum { TIME_LIMIT_S = 3 };
// Every kernel thread is a child of kthreadd's (kernel/kthread.c).
enum { KTHREADD = 2 };

static int by_number(const void *a, const void *b) {
    pid_t one = *(const pid_t *)a, other = *(const pid_t *)b;
    return (one > other) - (one < other);
}

static bool is_kernel_thread(pid_t pid) {
    char path[64], text[1024];
    bh_error ignored;
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const char *name_end = fs_read(AT_FDCWD, path, text, sizeof text, &ignored) > 0 ? strrchr(text, ')') : NULL;
    return pid == KTHREADD || (name_end && sscanf(name_end, ") %*c %d", &parent) == 1 && parent == KTHREADD);
}

// Every process there is, without the kernel's own: a guest's.
static int read_all_pids(pid_t **pids, bh_error *err) {
    cleanup_dir DIR *proc = opendir("/proc");
    int count = 0, room = 0;
    if (!proc)
        return bh_fail(err, errno, "cannot read /proc");
    for (const struct dirent *entry; (entry = readdir(proc));) {
        pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;
        if (pid == 0 || is_kernel_thread(pid))
            continue;
        if (count == room) {
            room = room ? 2 * room : 128;
            pid_t *grown = realloc(*pids, (size_t)room * sizeof *grown);
            if (!grown)
                return bh_fail(err, ENOMEM, "cannot list processes");
            *pids = grown;
        }
        (*pids)[count++] = pid;
    }
    return count;
}

static int read_pids(const machine *m, pid_t **pids, bh_error *err) {
    *pids = NULL;
    int count = machine_is_self(m) ? read_all_pids(pids, err)
                                   : cgroup_read_pids(machine_cgroup(m->broker, m->id).text, pids, err);
    if (count > 0)
        qsort(*pids, (size_t)count, sizeof **pids, by_number);
    return count;
}

static bool is_among(pid_t pid, const pid_t *pids, int count) {
    return count > 0 && bsearch(&pid, pids, (size_t)count, sizeof *pids, by_number);
}

// A parent that is not among them is not the machine's.
static void cut_parent(json_t *process, const pid_t *pids, int count) {
    pid_t parent = (pid_t)json_integer_value(json_object_get(process, "parent"));
    if (!is_among(parent, pids, count))
        json_object_set_new(process, "parent", json_null());
}

// v1 tells of no process that is exiting which group it was in (proc_cgroup_show); no machine is in the root.
static bool is_exiting(json_t *process) {
    json_t *group = json_object_get(process, "cgroup");
    return !json_is_string(group) || strcmp(json_string_value(group), "/") == 0;
}

// Returns how many there are.
static int describe_all(const machine *m, json_t *processes, bh_error *err) {
    cleanup_free pid_t *before = NULL, *after = NULL;
    int directories[PROCESSES_MAX];
    int count = read_pids(m, &before, err);
    int shown = count < PROCESSES_MAX ? count : PROCESSES_MAX;
    for (int i = 0; i < shown; i++) {
        char path[32];
        snprintf(path, sizeof path, "/proc/%d", (int)before[i]);
        directories[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    // A pid may have been given to another between being listed and being opened. One that is listed now, after it was
    // opened, is the process that was opened; or that one has ended, and its directory answers ESRCH.
    int still = count < 0 ? -1 : read_pids(m, &after, err);
    for (int i = 0; i < shown; i++) {
        bool ours = directories[i] >= 0 && is_among(before[i], after, still);
        json_t *process = ours ? view_process(directories[i], m->kind == MACHINE_VM && !machine_is_self(m)) : NULL;
        if (process && (machine_is_self(m) || !is_exiting(process))) {
            cut_parent(process, after, still);
            json_array_append(processes, process);
        }
        json_decref(process);
        if (directories[i] >= 0)
            close(directories[i]);
    }
    return still;
}

// What a machine has not of its own it shares with its host, and the broker is in that host's namespaces. Not those of
// process 1: where the host is a container itself, the broker may not be allowed to look at that.
static json_t *host_namespaces(void) {
    cleanup_fd int self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return self < 0 ? json_null() : view_namespaces(self);
}

static int view_body(void *argument, json_t **result, bh_error *err) {
    const request *r = argument;
    const machine *m = broker_find(r->broker, r->machine); // as it was when the job began
    cleanup_json json_t *processes = json_array();
    alarm(TIME_LIMIT_S);
    int total = describe_all(m, processes, err);
    if (total < 0)
        return -1;
    *result =
        json_pack("{s:O, s:i, s:o}", "processes", processes, "total", total, "host_namespaces", host_namespaces());
    return 0;
}

static void view_done(void *argument, json_t *result, const bh_error *err) {
    request *r = argument;
    bh_error late;
    if (result) {
        request_answer(r, json_incref(result));
        return;
    }
    if (err->code == JOB_DIED) {
        bh_fail(&late, ETIMEDOUT,
                "the processes of machine %s cannot be looked at: one of them does not let itself be read", r->machine);
        err = &late;
    }
    request_fail(r, err);
}

void machine_view(request *r) {
    bh_error err;
    if (!request_machine(r))
        return;
    // In a job, which can be ended when a process keeps it waiting.
    if (job_start(r->broker->loop, view_body, view_done, r, &err) < 0)
        request_fail(r, &err);
}
