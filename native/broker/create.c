// Making machines: see create.h.
#include "broker/create.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/end.h"
#include "broker/identity.h"
#include "broker/ids.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/restart.h"
#include "broker/template.h"
#include "broker/terminal.h"
#include "broker/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef struct making {
    request *request;
    machine *machine;
    machine_maker *make;
} making;

bool within(request *r, json_t *limits, const char *limit, int64_t most) {
    if (params_integer(limits, limit, 0) <= most)
        return true;
    char field[64];
    snprintf(field, sizeof field, "limits.%s", limit);
    request_refuse(r, "limit", field, "%s may be at most %lld here", field, (long long)most);
    return false;
}

static int64_t count_machines(const broker *b) {
    int64_t count = 0;
    for (const machine *m = b->machines; m; m = m->next)
        count += m->slot >= 0;
    return count;
}

// In a VM a container's ids follow from its name, so that the same ones are likely to be free in a VM that it moves to.
static int32_t slot_of_name(const char *id) {
    uint32_t hash = 2166136261u; // FNV-1a
    for (const char *c = id; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    return (int32_t)(hash % ID_SLOTS);
}

machine *machine_begin(request *r, machine_kind kind) {
    broker *b = r->broker;
    if (broker_find(b, r->machine)) {
        request_refuse(r, "exists", "machine", "there is a machine %s already", r->machine);
        return NULL;
    }
    if (count_machines(b) >= b->maxima.machines) {
        request_refuse(r, "limit", NULL, "this host is full: it has %lld machines", (long long)b->maxima.machines);
        return NULL;
    }
    char label[MCS_LABEL_MAX];
    bh_error err;
    const char *what = kind == MACHINE_CONTAINER ? params_string(r->params, "profile") : b->accel.accel;
    if (mcs_give(b->machines, what, label, &err) < 0) {
        request_refuse(r, "unsupported", NULL, "%s", err.message);
        return NULL;
    }
    if (b->config.guest)
        b->next_slot = slot_of_name(r->machine);
    int32_t slot = slot_allocate(b->machines, b->config.id_base, &b->next_slot);
    machine *m = slot >= 0 ? machine_new(r->machine) : NULL;
    if (!m) {
        request_refuse(r, "limit", NULL, "no user ids are left for another machine");
        return NULL;
    }
    json_t *limits = json_object_get(r->params, "limits"), *labels = json_object_get(r->params, "labels");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    m->broker = b;
    m->kind = kind;
    m->state = MACHINE_CREATING;
    m->slot = slot;
    memcpy(m->label, label, sizeof m->label);
    m->created_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    m->limits.memory_bytes = params_integer(limits, "memory_bytes", 0);
    m->limits.cpu_millis = params_integer(limits, "cpu_millis", 0);
    snprintf(m->image, sizeof m->image, "%s", params_string(r->params, "image"));
    snprintf(m->hostname, sizeof m->hostname, "%s", params_string(r->params, "hostname"));
    if (labels) {
        json_decref(m->labels);
        m->labels = json_incref(labels);
    }
    broker_remember(b, m);
    return m;
}

int machine_make_dir(const machine *m, bh_error *err) {
    const broker *b = m->broker;
    // Passable for the server, so that it can connect to the sockets inside; readable for root only.
    state_name dirs[] = {machine_dir(b, m->id), machine_file(b, m->id, "terminals")};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        if (mkdir(dirs[i].text, 0710) < 0 && !(errno == EEXIST && m->restarting))
            return bh_fail(err, errno, "cannot make %s", dirs[i].text);
        if (chown(dirs[i].text, 0, b->config.server_gid) < 0)
            return bh_fail(err, errno, "cannot give %s to group %u", dirs[i].text, b->config.server_gid);
    }
    return machine_save(m, err);
}

static int make_body(void *argument, json_t **result, bh_error *err) {
    making *making_ = argument;
    machine *m = making_->machine;
    if (making_->make(m, result, err) == 0)
        return 0;
    bh_error leftover;
    if ((m->restarting ? machine_clear : machine_destroy)(m->broker, m->id, &leftover) < 0)
        log_error("machine %s: %s", m->id, leftover.message);
    return -1;
}

// The machine runs from now on. Should it have ended already, the watch says so at once.
static int settle(machine *m, json_t *result, bh_error *err) {
    m->pid = (pid_t)json_integer_value(json_object_get(result, "pid"));
    m->start_time = process_start_time(m->pid);
    m->state = MACHINE_RUNNING;
    if (m->restoring)
        terminals_find(m); // it came with some
    json_decref(m->restoring);
    m->restoring = NULL;
    m->restarting = false;
    const char *accel = json_string_value(json_object_get(result, "accel"));
    if (accel)
        snprintf(m->accel, sizeof m->accel, "%s", accel);
    return machine_save(m, err) < 0 ? -1 : machine_watch(m, err);
}

static json_t *created_answer(const machine *m, json_t *result) {
    json_t *answer = json_pack("{s:o}", "machine", machine_describe(m));
    json_t *trace = json_object_get(result, "trace");
    if (trace)
        json_object_set(answer, "trace", trace);
    return answer;
}

static void make_done(void *argument, json_t *result, const bh_error *failure) {
    making *making_ = argument;
    request *r = making_->request;
    machine *m = making_->machine;
    free(making_);
    template_release(m);
    bh_error err;
    if (!result && m->restarting && failure->code != JOB_DIED) {
        machine_restart_failed(m, failure);
        request_fail(r, failure);
        machine_delete_if_wanted(m);
        return;
    }
    if (!result && failure->code == JOB_DIED) {
        // It had no time to remove what it had made.
        request_fail(r, failure);
        machine_start_deletion(m);
        return;
    }
    if (!result) {
        request_fail(r, failure);
        // Its maker removed what there was. A deletion asked for meanwhile has that to confirm.
        if (!machine_delete_if_wanted(m))
            broker_forget(m->broker, m);
        return;
    }
    if (settle(m, result, &err) < 0) {
        request_fail(r, &err);
        machine_start_deletion(m);
        return;
    }
    log_info("machine %s created: %s from %s, pid %d", m->id, m->kind == MACHINE_VM ? m->accel : m->profile, m->image,
             (int)m->pid);
    broker_emit(m->broker, json_pack("{s:s, s:s}", "event", "machine.created", "machine", m->id));
    request_answer(r, created_answer(m, result));
    machine_delete_if_wanted(m);
}

void machine_make(request *r, machine *m, machine_maker *make) {
    making *making_ = calloc(1, sizeof *making_);
    bh_error err;
    if (making_) {
        *making_ = (making){r, m, make};
        if (job_start(r->broker->loop, make_body, make_done, making_, &err) == 0)
            return;
    } else {
        bh_fail(&err, ENOMEM, "cannot create machine %s", m->id);
    }
    free(making_);
    if (m->restarting)
        machine_restart_failed(m, &err);
    else
        broker_forget(m->broker, m);
    request_fail(r, &err);
}
