// How machines end: a first process that is watched, a deletion that leaves nothing, and the end of everything.
#pragma once

#include "broker/state.h"

// Watches the machine's first process; when it ends the machine is `exited`, and subscribers are told why.
int machine_watch(machine *m, bh_error *err);
void machine_unwatch(machine *m);
// Its first process was found to have ended while nobody watched: it is `exited`, and subscribers are told.
void machine_note_end(machine *m);
int machine_save(const machine *m, bh_error *err);

// Kills and removes whatever there is of a machine: processes, terminals, runtime state, cgroup, files. Blocking; works
// when any part is missing already; succeeds only when all of it is gone.
int machine_destroy(broker *b, const char *id, bh_error *err);
// Starts the deletion of a machine in a job, and answers every machine.delete that waits for it.
void machine_start_deletion(machine *m);
// For a creation's end, good or bad: deletes the machine if that was asked for in the meantime. True if so.
bool machine_delete_if_wanted(machine *m);
