// machine.freeze and machine.thaw: see freeze.h.
#include "broker/freeze.h"

#include "base/cgroup.h"
#include "broker/end.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/restart.h"
#include "broker/vm_qmp.h"

#include <errno.h>
#include <stdlib.h>

typedef struct freezing {
    request *request;
    machine_kind kind;
    bool frozen; // wanted
} freezing;

static int stop_or_continue(const broker *b, const char *id, bool stop, bh_error *err) {
    state_name dir = machine_dir(b, id);
    vm_qmp q;
    int result = vm_qmp_open(&q, dir.text, err) < 0 ? -1 : vm_qmp_run(&q, stop ? "stop" : "cont", NULL, -1, NULL, err);
    vm_qmp_close(&q);
    return result;
}

static int set_frozen(const broker *b, const char *id, machine_kind kind, bool frozen, bh_error *err) {
    // The machine's group, and not the container's own alone: what `exec` left behind is beside that.
    return kind == MACHINE_CONTAINER ? cgroup_freeze(machine_cgroup(b, id).text, frozen, err)
                                     : stop_or_continue(b, id, frozen, err);
}

static int freeze_body(void *argument, json_t **result, bh_error *err) {
    const freezing *f = argument;
    (void)result;
    return set_frozen(f->request->broker, f->request->machine, f->kind, f->frozen, err);
}

static void note(machine *m, bool frozen) {
    bh_error err;
    m->frozen = frozen;
    if (machine_save(m, &err) < 0)
        log_error("%s", err.message);
}

static void freeze_done(void *argument, json_t *result, const bh_error *failure) {
    freezing *f = argument;
    request *r = f->request;
    machine *m = broker_find(r->broker, r->machine);
    bool lives = m->state == MACHINE_RUNNING, wanted = f->frozen;
    m->freezing = false;
    m->opening--;
    free(f);
    if (lives)
        note(m, result ? wanted : !wanted);
    if (!result) {
        request_fail(r, failure);
    } else if (!lives) {
        request_refuse(r, "failed", "machine", "machine %s has ended: %s", m->id, m->exit);
    } else {
        request_answer(r, json_pack("{s:o}", "machine", machine_describe(m)));
    }
    if (m->opening == 0 && !machine_restart_if_wanted(m))
        machine_delete_if_wanted(m);
}

// What stands in the way, in a sentence's end; NULL: nothing.
static const char *hindrance(const machine *m) {
    bool container = m->kind == MACHINE_CONTAINER;
    return m->freezing        ? "frozen or thawed already"
           : m->moving        ? "moved or saved"
           : m->checkpointing ? "written down"
           : container && !m->frozen && cgroup_is_frozen(machine_cgroup(m->broker, m->id).text) ? "moved"
           : m->opening > 0 ? "entered: a terminal or a connection is being opened"
                            : NULL;
}

static void begin(request *r, bool frozen) {
    machine *m = request_machine(r);
    bh_error err;
    if (!m)
        return;
    const char *hindered = hindrance(m);
    if (machine_is_self(m))
        request_refuse(r, "denied", "machine", "this machine cannot be frozen from inside");
    else if (m->state != MACHINE_RUNNING)
        request_refuse(r, "failed", "machine", "machine %s has ended: %s", m->id, m->exit);
    else if (hindered)
        request_refuse(r, "exists", "machine", "machine %s is being %s: try again", m->id, hindered);
    else if (m->frozen == frozen)
        request_answer(r, json_pack("{s:o}", "machine", machine_describe(m)));
    else {
        freezing *f = calloc(1, sizeof *f);
        if (f)
            *f = (freezing){.request = r, .kind = m->kind, .frozen = frozen};
        // Noted before it is done: a broker that dies in between is followed by one that does it.
        if (f && frozen)
            note(m, true);
        if (f && job_start(r->broker->loop, freeze_body, freeze_done, f, &err) == 0) {
            m->freezing = true;
            m->opening++; // it is not deleted, nor restarted, before that is done
            return;
        }
        if (!f)
            bh_fail(&err, ENOMEM, "cannot freeze %s", m->id);
        else
            note(m, !frozen);
        free(f);
        request_fail(r, &err);
    }
}

void machine_freeze(request *r) {
    begin(r, true);
}

void machine_thaw(request *r) {
    begin(r, false);
}

void freeze_recover(machine *m) {
    bh_error err;
    if (m->frozen && m->state == MACHINE_RUNNING && set_frozen(m->broker, m->id, m->kind, true, &err) < 0)
        log_error("machine %s was frozen, and is not: %s", m->id, err.message);
}
