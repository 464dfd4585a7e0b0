// How machines are ended: a deletion that leaves nothing, and the end of everything. How they end by themselves:
// watch.h.
#pragma once

#include "broker/state.h"

// Writes the machine's record to the disk.
int machine_save(const machine *m, bh_error *err);

// Kills and removes whatever there is of a machine: processes, terminals, runtime state, cgroup, files. Blocking; works
// when any part is missing already; succeeds only when all of it is gone.
int machine_destroy(broker *b, const char *id, bh_error *err);
// The same, but for what outlives a restart: the record, and a VM's snapshots.
int machine_clear(broker *b, const char *id, bh_error *err);
// Starts the deletion of a machine in a job, and answers every machine.delete that waits for it.
void machine_start_deletion(machine *m);
// For a creation's end, good or bad: deletes the machine if that was asked for in the meantime. True if so.
bool machine_delete_if_wanted(machine *m);
