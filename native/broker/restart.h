// A machine that begins again in its place: the same record, ids, labels and limits, and a VM's snapshots; another
// first process. machine.restart itself is in methods.h.
#pragma once

#include "broker/state.h"

// Begins the restart that was asked for while terminals were being opened. True if there was one.
bool machine_restart_if_wanted(machine *m);
// It could not be made anew: it has ended, and can be restarted again.
void machine_restart_failed(machine *m, const bh_error *why);
