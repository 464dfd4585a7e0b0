// What making a container and making a VM have in common: a machine is announced, made in a job, then watched, or
// removed again without a trace.
#pragma once

#include "broker/state.h"

// In the job: makes the machine real. *result: {"pid": of its first process, and what else the answer is to hold}.
typedef int machine_maker(machine *m, json_t **result, bh_error *err);

// A new machine for the request, in the list and with ids of its own; NULL when there can be none, and the request is
// then answered.
machine *machine_begin(request *r, machine_kind kind);
// The makers. A VM boots, or goes on as a copy of m->template.
machine_maker container_make;
machine_maker guest_vm_make;
// Runs `make` in a job and answers the request when it is done.
void machine_make(request *r, machine *m, machine_maker *make);
// For a maker: <state>/run/machines/<id> and its terminals/, with the record in it.
int machine_make_dir(const machine *m, bh_error *err);

// Whether limits[name] is at most `most`; answers the request with `limit` when not.
bool within(request *r, json_t *limits, const char *name, int64_t most);
