// Machine records: see machine.h.
#include "broker/machine.h"

#include "base/cleanup.h"
#include "broker/ids.h"
#include "broker/params.h"
#include "broker/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {[MACHINE_CONTAINER] = "container", [MACHINE_VM] = "vm"};
static const char *const states[] = {
    [MACHINE_CREATING] = "creating", [MACHINE_RUNNING] = "running", [MACHINE_EXITED] = "exited"};

const char *machine_kind_name(machine_kind kind) {
    return kinds[kind];
}

machine *machine_new(const char *id) {
    machine *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    snprintf(m->id, sizeof m->id, "%s", id);
    m->init.fd = -1;
    m->slot = -1;
    m->labels = json_object();
    return m;
}

void machine_free(machine *m) {
    if (!m)
        return;
    json_decref(m->labels);
    json_decref(m->restoring);
    json_decref(m->console);
    free(m);
}

static json_t *limits_to_json(const machine *m) {
    json_t *limits =
        json_pack("{s:I, s:I}", "memory_bytes", m->limits.memory_bytes, "cpu_millis", m->limits.cpu_millis);
    if (m->kind == MACHINE_CONTAINER) {
        json_object_set_new(limits, "pids", json_integer(m->limits.pids));
        json_object_set_new(limits, "disk_bytes", json_integer(m->limits.disk_bytes));
    }
    return limits;
}

json_t *machine_to_json(const machine *m, const char *boot_id) {
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:O, s:I, s:s, s:i, s:i, s:I, s:b, s:s, s:s, s:b, s:b}", "boot",
        boot_id, "machine", m->id, "kind", kinds[m->kind], "state", states[m->state], "image", m->image, "profile",
        m->profile, "hostname", m->hostname, "accel", m->accel, "limits", limits_to_json(m), "labels", m->labels,
        "created_ms", (json_int_t)m->created_ms, "exit", m->exit, "slot", m->slot, "pid", (int)m->pid, "start_time",
        (json_int_t)m->start_time, "selinux", m->selinux, "label", m->label, "cause", end_cause_name(m->cause),
        "frozen", m->frozen, "restarting", m->restarting);
}

json_t *machine_describe(const machine *m) {
    json_t *record =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*, s:o, s:O, s:I, s:i, s:o}", "machine", m->id, "kind", kinds[m->kind],
                  "image", m->image, "hostname", m->hostname, "state", states[m->state], "exit",
                  m->exit[0] ? m->exit : NULL, "limits", limits_to_json(m), "labels", m->labels, "created_ms",
                  (json_int_t)m->created_ms, "pid", (int)m->pid, "terminals", terminals_describe(m->terminals));
    if (!m->exit[0])
        json_object_set_new(record, "exit", json_null());
    if (m->kind == MACHINE_CONTAINER)
        json_object_set_new(record, "profile", json_string(m->profile));
    else
        json_object_set_new(record, "accel", *m->accel ? json_string(m->accel) : json_null());
    if (m->frozen)
        json_object_set_new(record, "frozen", json_true());
    if (m->state == MACHINE_EXITED)
        json_object_set_new(record, "cause", json_string(end_cause_name(m->cause)));
    if (m->console)
        json_object_set(record, "console", m->console);
    if (m->selinux)
        json_object_set_new(record, "features", json_pack("[s]", "selinux"));
    if (*m->label)
        json_object_set_new(record, "label", json_string(m->label));
    return record;
}

// The position of `name` in `names`, or negative.
static int position(const char *const names[], size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return (int)i;
    }
    return -1;
}

static bool copy_text(char *into, size_t size, const char *text) {
    return (size_t)snprintf(into, size, "%s", text) < size;
}

static bool read_limits(json_t *limits, machine *m) {
    json_int_t memory, cpu, pids = 0, disk = 0;
    if (json_unpack(limits, "{s:I, s:I, s?I, s?I !}", "memory_bytes", &memory, "cpu_millis", &cpu, "pids", &pids,
                    "disk_bytes", &disk) < 0)
        return false;
    m->limits = (machine_limits){.memory_bytes = memory, .cpu_millis = cpu, .pids = pids, .disk_bytes = disk};
    return memory >= 0 && cpu >= 0 && pids >= 0 && disk >= 0;
}

static bool labels_are_strings(json_t *labels) {
    const char *key;
    json_t *value;
    json_object_foreach(labels, key, value) {
        if (!json_is_string(value))
            return false;
    }
    return json_is_object(labels);
}

machine *machine_from_json(json_t *record, char *boot_id, bh_error *err) {
    const char *boot, *id, *kind, *state, *image, *profile, *hostname, *accel, *exit_text, *label, *cause;
    json_t *limits, *labels;
    json_int_t created, start_time;
    int slot, pid, selinux, frozen = 0, restarting = 0; // the last two are absent from records of earlier versions
    json_error_t why;
    if (json_unpack_ex(
            record, &why, 0,
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:s, s:i, s:i, s:I, s:b, s:s, s:s, s?b, s?b !}",
            "boot", &boot, "machine", &id, "kind", &kind, "state", &state, "image", &image, "profile", &profile,
            "hostname", &hostname, "accel", &accel, "limits", &limits, "labels", &labels, "created_ms", &created,
            "exit", &exit_text, "slot", &slot, "pid", &pid, "start_time", &start_time, "selinux", &selinux, "label",
            &label, "cause", &cause, "frozen", &frozen, "restarting", &restarting) < 0) {
        bh_fail(err, 0, "not a machine record: %s", why.text);
        return NULL;
    }
    machine *m = machine_new(id);
    if (!m) {
        bh_fail(err, ENOMEM, "cannot keep a machine record");
        return NULL;
    }
    // The file is root's in a folder of root's. It is checked all the same: what stands in it becomes paths, user ids
    // and pids to kill, and another version of the broker may have written it.
    int kind_at = position(kinds, sizeof kinds / sizeof *kinds, kind);
    int state_at = position(states, sizeof states / sizeof *states, state);
    bool valid = is_machine_id(id) && kind_at >= 0 && state_at >= 0 && is_image_name(image) && is_hostname(hostname) &&
                 (kind_at == MACHINE_CONTAINER ? is_profile(profile) : profile[0] == '\0') && slot >= 0 &&
                 slot < ID_SLOTS && pid >= 0 && start_time >= 0 && labels_are_strings(labels) && mcs_is_label(label) &&
                 strcmp(end_cause_name(end_cause_from(cause)), cause) == 0;
    if (!valid || !copy_text(boot_id, 40, boot) || !copy_text(m->accel, sizeof m->accel, accel) ||
        !copy_text(m->exit, sizeof m->exit, exit_text) || !read_limits(limits, m)) {
        machine_free(m);
        bh_fail(err, 0, "not a machine record: a value no broker would write");
        return NULL;
    }
    m->kind = (machine_kind)kind_at;
    m->state = (machine_state)state_at;
    copy_text(m->image, sizeof m->image, image);
    copy_text(m->profile, sizeof m->profile, profile);
    copy_text(m->hostname, sizeof m->hostname, hostname);
    copy_text(m->label, sizeof m->label, label);
    m->selinux = selinux;
    m->frozen = frozen;
    m->restarting = restarting;
    m->cause = end_cause_from(cause);
    json_decref(m->labels);
    m->labels = json_incref(labels);
    m->created_ms = created;
    m->slot = slot;
    m->pid = pid;
    m->start_time = (uint64_t)start_time;
    return m;
}
