// Moving VMs, and their snapshots: see move.h. What QEMU does of it: vm_move.c.
#include "broker/move.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/end.h"
#include "broker/guest_vm.h"
#include "broker/identity.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/snapshot.h"
#include "broker/vm_move.h"
#include "broker/vm_template.h"
#include "broker/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT "next" // <machine>/next: the other QEMU's sockets until it takes the first one's place
#define MIB ((int64_t)1024 * 1024)

typedef enum move_kind { MOVE_LIVE, MOVE_SAVE, MOVE_RESTORE } move_kind;

// One at a time for each machine. It knows the machine by its id, for that may be deleted meanwhile.
struct moving {
    broker *broker;
    request *request;
    machine *machine; // in the job: as it was when the job began
    job *job;
    move_kind kind;
    char id[33], snapshot[33];
};

static bool cancelled_here(void) {
    return job_interrupted();
}
static const vm_move_watch watch = {job_tell, cancelled_here};

// Another QEMU in the machine's cgroup than the one that its record names; 0 if there is none.
static pid_t other_qemu(const machine *m) {
    return machine_find_process(m, "qemu-system", m->pid);
}

// The same VM once more, in a directory of its own below the machine's, in the same cgroup.
static int plan_next(const machine *m, vm_plan *next, state_name *dir, bh_error *err) {
    cgroup_limits both = guest_vm_limits(m, 2);
    if (guest_vm_describe(m, next, err) < 0)
        return -1;
    *dir = machine_file(m->broker, m->id, NEXT);
    // Of a move whose job was killed: there is one VM, and it is the one of the record.
    pid_t left = other_qemu(m);
    if ((left > 0 && process_end(left, process_start_time(left), 0, err) < 0) ||
        fs_remove_tree(AT_FDCWD, dir->text, err) < 0)
        return -1;
    if (mkdir(dir->text, 0710) < 0 || chown(dir->text, 0, m->broker->config.server_gid) < 0)
        return bh_fail(err, errno, "cannot make %s", dir->text);
    next->spec.dir = dir->text;
    return cgroup_set_limits(next->cgroup.text, &both, err);
}

// The first QEMU goes, or the other one has gone; either way one is left.
static int tidy(const machine *m, const vm_plan *next, const char *next_dir, bh_error *err) {
    cgroup_limits one = guest_vm_limits(m, 1);
    return fs_remove_tree(AT_FDCWD, next_dir, err) < 0 ? -1 : cgroup_set_limits(next->cgroup.text, &one, err);
}

// The other QEMU runs: from here on it is the VM.
static int take_place(const machine *m, bh_error *err) {
    state_name dir = machine_dir(m->broker, m->id), next_dir = machine_file(m->broker, m->id, NEXT);
    return vm_take_place(dir.text, next_dir.text, err) < 0 ? -1 : process_end(m->pid, m->start_time, 0, err);
}

static int go_on_elsewhere(struct moving *moving, vm_plan *next, pid_t *pid, json_t **figures, bh_error *err) {
    const machine *m = moving->machine;
    state_name dir = machine_dir(m->broker, m->id);
    if (moving->kind == MOVE_LIVE)
        return vm_move_live(dir.text, m->pid, &next->spec, &watch, pid, figures, err);
    cleanup_fd int file = snapshot_open(m, moving->snapshot, err);
    if (file < 0 || vm_resume(&next->spec, file, pid, err) < 0)
        return -1;
    *figures = json_object();
    // Its clock stands where it was saved, and what it draws at random was drawn before.
    if (vm_renew(&next->spec, NULL, err) == 0)
        return 0;
    bh_error gone;
    process_end(*pid, process_start_time(*pid), 0, &gone);
    return -1;
}

static int move_body(void *argument, json_t **result, bh_error *err) {
    struct moving *moving = argument;
    const machine *m = moving->machine;
    vm_plan next;
    state_name next_dir;
    pid_t pid = 0;
    cleanup_json json_t *figures = NULL;
    int moved = plan_next(m, &next, &next_dir, err);
    if (moved == 0)
        moved = go_on_elsewhere(moving, &next, &pid, &figures, err);
    if (moved == 0)
        moved = take_place(m, err);
    bh_error untidy;
    if (tidy(m, &next, next_dir.text, &untidy) < 0)
        log_error("machine %s: %s", m->id, untidy.message);
    if (moved < 0)
        return -1;
    *result = json_pack("{s:i, s:O}", "pid", (int)pid, "figures", figures);
    return 0;
}

static int save_body(void *argument, json_t **result, bh_error *err) {
    struct moving *moving = argument;
    const machine *m = moving->machine;
    state_name dir = machine_dir(m->broker, m->id);
    cleanup_json json_t *figures = NULL;
    cleanup_fd int file = snapshot_begin(m, moving->snapshot, err);
    if (file < 0)
        return -1;
    if (vm_save(dir.text, file, &watch, &figures, err) < 0 || snapshot_finish(m, moving->snapshot, file, err) < 0) {
        snapshot_abandon(m, moving->snapshot);
        return -1;
    }
    *result = json_pack("{s:O}", "figures", figures);
    return 0;
}

static void news(void *argument, json_t *told) {
    struct moving *moving = argument;
    json_t *event = json_deep_copy(told);
    json_object_set_new(event, "event", json_string("machine.moving"));
    json_object_set_new(event, "machine", json_string(moving->id));
    broker_emit(moving->broker, event);
}

// Seen to have ended like any other that was not watched for a while.
static void watch_again(machine *m) {
    bh_error err;
    m->start_time = process_start_time(m->pid);
    if (machine_save(m, &err) < 0)
        log_error("%s", err.message);
    if (machine_watch(m, &err) < 0)
        machine_note_end(m);
}

static void move_done(void *argument, json_t *result, const bh_error *failure) {
    struct moving *moving = argument;
    machine *m = broker_find(moving->broker, moving->id);
    request *r = moving->request;
    bool same = m && m->moving == moving;
    if (same) {
        m->moving = NULL;
        json_t *pid = json_object_get(result, "pid");
        if (pid)
            m->pid = (pid_t)json_integer_value(pid);
        if (moving->kind != MOVE_SAVE && !m->deleting)
            watch_again(m);
    }
    free(moving);
    if (!result)
        request_fail(r, failure);
    else if (!same)
        request_refuse(r, "not_found", "machine", "the machine was deleted meanwhile");
    else
        request_answer(
            r, json_pack("{s:o, s:O}", "machine", machine_describe(m), "figures", json_object_get(result, "figures")));
}

static machine *vm_to_move(request *r) {
    machine *m = request_machine(r);
    if (!m)
        return NULL;
    if (m->kind != MACHINE_VM || machine_is_self(m))
        request_refuse(r, "unsupported", "machine", "%s is no VM of this broker", m->id);
    else if (m->state != MACHINE_RUNNING)
        request_refuse(r, "failed", "machine", "machine %s has ended: %s", m->id, m->exit);
    else if (m->moving)
        request_refuse(r, "exists", "machine", "machine %s is being moved or saved already", m->id);
    else if (m->frozen || m->freezing)
        request_refuse(r, "failed", "machine", "machine %s is frozen: machine.thaw lets it go on", m->id);
    else
        return m;
    return NULL;
}

static void begin(request *r, machine *m, move_kind kind) {
    struct moving *moving = calloc(1, sizeof *moving);
    bh_error err;
    if (!moving) {
        bh_fail(&err, ENOMEM, "cannot move %s", m->id);
        request_fail(r, &err);
        return;
    }
    *moving = (struct moving){.broker = r->broker, .request = r, .machine = m, .kind = kind};
    snprintf(moving->id, sizeof moving->id, "%s", m->id);
    const char *snapshot = params_string(r->params, "snapshot");
    snprintf(moving->snapshot, sizeof moving->snapshot, "%s", snapshot ? snapshot : "");
    job_body *body = kind == MOVE_SAVE ? save_body : move_body;
    moving->job = job_start_telling(r->broker->loop, body, news, move_done, moving, &err);
    if (!moving->job) {
        free(moving);
        request_fail(r, &err);
        return;
    }
    m->moving = moving;
    // The first QEMU's end is a part of a move, and not the machine's.
    if (kind != MOVE_SAVE)
        machine_unwatch(m);
}

void vm_migrate(request *r) {
    machine *m = vm_to_move(r);
    // A VM whose new place cannot be written down would be lost to the next broker.
    if (m && state_has_room(r, "to move a VM", MIB))
        begin(r, m, MOVE_LIVE);
}

void vm_migrate_cancel(request *r) {
    machine *m = request_machine(r);
    if (!m)
        return;
    if (!m->moving) {
        request_refuse(r, "not_found", "machine", "machine %s is not being moved", m->id);
        return;
    }
    job_interrupt(m->moving->job);
    request_answer(r, NULL);
}

void vm_snapshot_save(request *r) {
    machine *m = vm_to_move(r);
    if (m && snapshot_may_be_made(r, m))
        begin(r, m, MOVE_SAVE);
}

void vm_snapshot_restore(request *r) {
    machine *m = vm_to_move(r);
    if (m && snapshot_may_be_used(r, m) && state_has_room(r, "to return to a snapshot", MIB))
        begin(r, m, MOVE_RESTORE);
}

void move_recover(machine *m) {
    state_name next_dir = machine_file(m->broker, m->id, NEXT), dir = machine_dir(m->broker, m->id);
    bh_error err;
    vm_plan plan;
    if (m->kind != MACHINE_VM || m->state != MACHINE_RUNNING)
        return;
    if (access(next_dir.text, F_OK) < 0) {
        bool was_saved = !m->frozen && access(machine_file(m->broker, m->id, "snapshots").text, F_OK) == 0;
        if (was_saved && vm_continue(dir.text, &err) < 0)
            log_error("machine %s: %s", m->id, err.message);
        return;
    }
    pid_t other = other_qemu(m);
    if (vm_stays(dir.text, &err) == 0 || other == 0) {
        log_info("machine %s was being moved: it stays where it is", m->id);
        if (other > 0)
            process_end(other, process_start_time(other), 0, &err);
    } else {
        log_info("machine %s was being moved: it has arrived", m->id);
        bool known = guest_vm_describe(m, &plan, &err) == 0;
        plan.spec.dir = next_dir.text;
        if (!known || vm_arrived(dir.text, m->pid, &plan.spec, other, &err) < 0)
            log_error("machine %s: %s", m->id, err.message);
        if (vm_take_place(dir.text, next_dir.text, &err) == 0)
            process_end(m->pid, m->start_time, 0, &err);
        m->pid = other;
        m->start_time = process_start_time(other);
        if (machine_save(m, &err) < 0)
            log_error("%s", err.message);
    }
    if (guest_vm_describe(m, &plan, &err) < 0 || tidy(m, &plan, next_dir.text, &err) < 0)
        log_error("machine %s: %s", m->id, err.message);
}
