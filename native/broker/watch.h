// How machines end by themselves: the first process is watched, its end is understood, and subscribers are told.
#pragma once

#include "broker/state.h"

// Watches the machine's first process, and what its QEMU tells; when it ends the machine is `exited`, and subscribers
// are told why.
int machine_watch(machine *m, bh_error *err);
void machine_unwatch(machine *m);
// Its first process was found to have ended while nobody watched: it is `exited`, and subscribers are told.
void machine_note_end(machine *m);
// The same for a machine whose end no broker saw, without telling anybody.
void machine_find_end(machine *m);
// A machine that had ended already when its record was found: what is not in the record.
void machine_recall_end(machine *m);
// A process in the machine's group, other than `but`, whose name begins with `name`; 0 if there is none.
pid_t machine_find_process(const machine *m, const char *name, pid_t but);
