// container.checkpoint, container.restore and container.resume: see checkpoint.h. What CRIU does of it is the runtime's
// (`bulkhead checkpoint`, `bulkhead restore`); here it is packed together with what the container has written to its
// file system, and with its terminals.
#include "broker/checkpoint.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/checkpoint_terminals.h"
#include "broker/create.h"
#include "broker/end.h"
#include "broker/images.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/process.h"
#include "broker/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

// Above what the runtime itself allows, which ends what it does in good order.
#define RUNTIME_GRACE_MS 30000
#define PACK_TIMEOUT_MS 60000
#define DEFAULT_TIMEOUT_MS 60000
#define STREAMS_END_MS 5000

struct checkpointing {
    broker *broker;
    request *request;
    machine *machine; // in the job: as it was when the job began
    job *job;
    char id[33], name[33];
    bool hold;
    int64_t timeout_ms;
};

// The machine's group and not the container's own alone: what `exec` runs is beside that (exec.c).
static int thaw(const broker *b, const char *id, bh_error *err) {
    state_name group = machine_cgroup(b, id);
    return cgroup_is_frozen(group.text) ? cgroup_freeze(group.text, false, err) : 0;
}

static int run_runtime(struct checkpointing *c, const char *dir, bh_error *err) {
    state_name runtime = program(c->broker, "bulkhead"), root = runtime_root(c->broker);
    state_name group = machine_cgroup(c->broker, c->id);
    char images[256], timeout[32];
    snprintf(images, sizeof images, "%s/images", dir);
    snprintf(timeout, sizeof timeout, "%lld", (long long)c->timeout_ms);
    char *argv[] = {runtime.text, "--root",   root.text,      "checkpoint", "--image-path", images, "--hold",
                    "--cgroup",   group.text, "--timeout-ms", timeout,      c->id,          NULL};
    process_spec spec = {.argv = argv, .output_max = 8192, .timeout_ms = c->timeout_ms + RUNTIME_GRACE_MS};
    return process_run_or_fail(&spec, err);
}

// The record of the machine and what else whoever makes it again has to know.
static int write_head(const struct checkpointing *c, const char *dir, json_t *terminals, bh_error *err) {
    const machine *m = c->machine;
    cleanup_free pid_t *pids = NULL;
    struct utsname host;
    struct timespec now;
    char path[256], digest[72];
    int processes = cgroup_read_pids(machine_cgroup(c->broker, m->id).text, &pids, err);
    if (processes < 0 || image_digest(c->broker, m->image, digest, sizeof digest, err) < 0)
        return -1;
    if (uname(&host) < 0 || clock_gettime(CLOCK_REALTIME, &now) < 0)
        return bh_fail(err, errno, "cannot describe this VM");
    cleanup_json json_t *head =
        json_pack("{s:o, s:O, s:s, s:s, s:i, s:I}", "machine", machine_to_json(m, c->broker->boot_id), "terminals",
                  terminals, "image_digest", digest, "kernel", host.release, "processes", processes, "created_ms",
                  (json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    cleanup_free char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot describe container %s", m->id);
    snprintf(path, sizeof path, "%s/checkpoint.json", dir);
    // A time without fractions, so that tar has nothing to say of it in a member of its own before this one.
    return fs_replace(AT_FDCWD, path, text, 0600, err) < 0 ||
                   utimensat(AT_FDCWD, path, (struct timespec[]){{.tv_sec = now.tv_sec}, {.tv_sec = now.tv_sec}}, 0) < 0
               ? -1
               : 0;
}

// The description first: it is read without unpacking anything. Owners by number, and the attributes in which overlayfs
// keeps its marks.
static int pack(const struct checkpointing *c, const char *dir, bh_error *err) {
    state_name archive = checkpoint_file(c->broker, c->name, ".tar");
    state_name layer = machine_file(c->broker, c->id, "layer");
    char copy[256];
    snprintf(copy, sizeof copy, "%s", dir);
    char *argv[] = {"/usr/bin/tar",
                    "--create",
                    "--file",
                    archive.text,
                    "--numeric-owner",
                    "--xattrs",
                    "--xattrs-include=*",
                    "--pax-option=delete=atime,delete=ctime",
                    "--sparse",
                    "-C",
                    copy,
                    "checkpoint.json",
                    "terminals",
                    "images",
                    "-C",
                    layer.text,
                    "upper",
                    NULL};
    process_spec spec = {.argv = argv, .output_max = 4096, .timeout_ms = PACK_TIMEOUT_MS};
    if (process_run_or_fail(&spec, err) == 0)
        return 0;
    unlink(archive.text);
    return bh_wrap(err, "cannot pack the checkpoint");
}

static int write_down(struct checkpointing *c, const char *dir, bh_error *err) {
    char terminals_dir[256];
    cleanup_json json_t *terminals = json_array();
    snprintf(terminals_dir, sizeof terminals_dir, "%s/terminals", dir);
    // A connection that leads out of the container is nothing that could be made again elsewhere.
    state_name streams = streams_group(c->broker, c->machine);
    if (cgroup_kill_all(streams.text, STREAMS_END_MS, err) < 0 || cgroup_delete(streams.text, err) < 0)
        return -1;
    if (mkdir(dir, 0700) < 0 || mkdir(terminals_dir, 0700) < 0)
        return bh_fail(err, errno, "cannot make %s", dir);
    if (run_runtime(c, dir, err) < 0 || checkpoint_take_terminals(c->machine, terminals_dir, terminals, err) < 0 ||
        write_head(c, dir, terminals, err) < 0 || pack(c, dir, err) < 0)
        return -1;
    return job_interrupted() ? bh_fail(err, 0, "the checkpoint was cancelled; the container runs on") : 0;
}

static int checkpoint_body(void *argument, json_t **result, bh_error *err) {
    struct checkpointing *c = argument;
    state_name folder, dir = checkpoint_file(c->broker, c->name, ".d");
    state_name archive = checkpoint_file(c->broker, c->name, ".tar");
    struct stat info;
    if (checkpoint_folder(c->broker, &folder, err) < 0 || fs_remove_tree(AT_FDCWD, dir.text, err) < 0)
        return -1;
    int written = write_down(c, dir.text, err);
    bh_error untidy;
    if (fs_remove_tree(AT_FDCWD, dir.text, &untidy) < 0)
        log_error("%s", untidy.message);
    if ((written < 0 || !c->hold) && thaw(c->broker, c->id, &untidy) < 0)
        log_error("%s", untidy.message);
    if (written < 0) {
        unlink(archive.text);
        return -1;
    }
    if (stat(archive.text, &info) < 0)
        return bh_fail(err, errno, "cannot look at %s", archive.text);
    *result = json_pack("{s:s, s:I}", "checkpoint", c->name, "bytes", (json_int_t)info.st_size);
    return 0;
}

// Nothing is told on the way: that there is somebody to tell is what makes the job one that can be interrupted.
static void news(void *argument, json_t *told) {
    (void)argument;
    (void)told;
}

static void checkpoint_done(void *argument, json_t *result, const bh_error *failure) {
    struct checkpointing *c = argument;
    request *r = c->request;
    machine *m = broker_find(c->broker, c->id);
    bh_error err;
    // Also after a job that had no time to do it.
    if ((!result || !c->hold) && thaw(c->broker, c->id, &err) < 0)
        log_error("%s", err.message);
    m->checkpointing = NULL;
    m->opening--;
    free(c);
    if (result)
        request_answer(r, json_incref(result));
    else
        request_fail(r, failure);
    if (m->opening == 0)
        machine_delete_if_wanted(m);
}

// A container of a guest's that runs and that nobody is writing down; NULL, and the request is answered, if not.
static machine *container_to_write_down(request *r) {
    machine *m = request_machine(r);
    if (!m)
        return NULL;
    if (m->kind != MACHINE_CONTAINER || !r->broker->config.guest)
        request_refuse(r, "unsupported", "machine", "%s is no container in a VM, where CRIU is", m->id);
    else if (*m->label)
        request_refuse(r, "unsupported", "machine",
                       "CRIU does not give SELinux's categories back: use a VM without it");
    else if (m->state != MACHINE_RUNNING)
        request_refuse(r, "failed", "machine", "machine %s has ended: %s", m->id, m->exit);
    else if (m->checkpointing)
        request_refuse(r, "exists", "machine", "machine %s is being written down already", m->id);
    else if (m->frozen || m->freezing)
        request_refuse(r, "failed", "machine", "machine %s is frozen: machine.thaw lets it go on", m->id);
    else if (m->opening > 0)
        request_refuse(r, "failed", "machine", "a terminal of machine %s, or a connection, is being opened: try again",
                       m->id);
    else if (cgroup_is_frozen(machine_cgroup(r->broker, m->id).text))
        request_refuse(r, "failed", "machine", "machine %s stands still: container.resume lets it go on", m->id);
    else
        return m;
    return NULL;
}

void container_checkpoint(request *r) {
    machine *m = container_to_write_down(r);
    if (!m || !checkpoint_may_be_made(r))
        return;
    struct checkpointing *c = calloc(1, sizeof *c);
    bh_error err;
    if (!c) {
        bh_fail(&err, ENOMEM, "cannot write down %s", m->id);
        request_fail(r, &err);
        return;
    }
    *c = (struct checkpointing){.broker = r->broker, .request = r, .machine = m};
    c->hold = json_is_true(json_object_get(r->params, "hold"));
    c->timeout_ms = params_integer(r->params, "timeout_ms", DEFAULT_TIMEOUT_MS);
    snprintf(c->id, sizeof c->id, "%s", m->id);
    snprintf(c->name, sizeof c->name, "%s", params_string(r->params, "checkpoint"));
    c->job = job_start_telling(r->broker->loop, checkpoint_body, news, checkpoint_done, c, &err);
    if (!c->job) {
        free(c);
        request_fail(r, &err);
        return;
    }
    m->checkpointing = c;
    m->opening++; // it cannot be deleted before that is done
}

void container_checkpoint_cancel(request *r) {
    machine *m = request_machine(r);
    if (!m)
        return;
    if (!m->checkpointing) {
        request_refuse(r, "not_found", "machine", "machine %s is not being written down", m->id);
        return;
    }
    job_interrupt(m->checkpointing->job);
    request_answer(r, NULL);
}

void container_resume(request *r) {
    machine *m = request_machine(r);
    bh_error err;
    if (!m)
        return;
    if (m->checkpointing || m->frozen || m->freezing || !cgroup_is_frozen(machine_cgroup(r->broker, m->id).text))
        request_refuse(r, "failed", "machine", "machine %s does not stand still", m->id);
    else if (thaw(r->broker, m->id, &err) < 0)
        request_fail(r, &err);
    else
        request_answer(r, NULL);
}
