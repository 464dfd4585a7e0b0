// machine.restart: see restart.h.
#include "broker/restart.h"

#include "broker/create.h"
#include "broker/end.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/template.h"
#include "broker/terminal.h"
#include "broker/vm_watch.h"
#include "broker/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int clear_body(void *argument, json_t **result, bh_error *err) {
    const request *r = argument;
    (void)result;
    return machine_clear(r->broker, r->machine, err);
}

void machine_restart_failed(machine *m, const bh_error *why) {
    bh_error err;
    m->restarting = false;
    m->state = MACHINE_EXITED;
    m->cause = END_CRASH;
    snprintf(m->exit, sizeof m->exit, "it could not be started again: %s", why->message);
    if (machine_save(m, &err) < 0)
        log_error("%s", err.message);
}

static void make_again(request *r, machine *m) {
    const char *start = params_string(r->params, "start");
    m->state = MACHINE_CREATING;
    m->pid = 0;
    m->exec_oom_kills = m->exec_pids_refusals = 0;
    m->frozen = false;
    m->exit[0] = '\0';
    m->cause = END_UNKNOWN;
    json_decref(m->console);
    m->console = NULL;
    if (m->kind == MACHINE_CONTAINER)
        machine_make(r, m, container_make);
    else if (start && strcmp(start, "template") == 0)
        template_use(r, m);
    else
        machine_make(r, m, guest_vm_make);
}

static void clear_done(void *argument, json_t *result, const bh_error *failure) {
    request *r = argument;
    machine *m = broker_find(r->broker, r->machine);
    // Whoever deletes it now need not wait for it to be made anew first.
    if (m->deleting) {
        request_refuse(r, "not_found", "machine", "machine %s is being deleted", m->id);
        machine_start_deletion(m);
        return;
    }
    terminals_forget(m);
    if (result) {
        make_again(r, m);
        return;
    }
    machine_restart_failed(m, failure);
    request_fail(r, failure);
}

static void begin(request *r, machine *m) {
    bh_error err;
    // Its end is a part of this, and nobody's news.
    machine_unwatch(m);
    vm_watch_stop(m);
    if (job_start(r->broker->loop, clear_body, clear_done, r, &err) == 0)
        return;
    machine_restart_failed(m, &err);
    request_fail(r, &err);
    machine_delete_if_wanted(m);
}

bool machine_restart_if_wanted(machine *m) {
    for (request *r = m->restarting ? m->broker->requests : NULL; r; r = r->next) {
        if (r->method->handle == machine_restart && strcmp(r->machine, m->id) == 0) {
            begin(r, m);
            return true;
        }
    }
    return false;
}

void machine_restart(request *r) {
    machine *m = broker_find(r->broker, r->machine);
    const char *start = params_string(r->params, "start");
    if (!m)
        request_refuse(r, "not_found", "machine", "no machine %s here", r->machine);
    else if (machine_is_self(m))
        request_refuse(r, "denied", "machine", "this machine cannot be restarted from inside");
    else if (m->restarting || m->deleting || m->state == MACHINE_CREATING)
        request_refuse(r, "exists", "machine", "machine %s is being %s already", m->id,
                       m->deleting     ? "deleted"
                       : m->restarting ? "restarted"
                                       : "made");
    else if (m->moving)
        request_refuse(r, "exists", "machine", "machine %s is being moved or saved", m->id);
    else if (start && m->kind == MACHINE_CONTAINER)
        request_refuse(r, "bad_request", "start", "a container has nothing to boot");
    else {
        m->restarting = true;
        // Its state stays as it is until its processes are gone, so that nobody takes it for one that is being made.
        if (m->opening == 0)
            begin(r, m);
    }
}
