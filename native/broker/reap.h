// The broker as the parent of last resort. Monitors, container inits and QEMU are started by short-lived jobs; when a
// job ends they become the broker's children (PR_SET_CHILD_SUBREAPER; in a VM it is pid 1 and gets every orphan), and
// someone has to wait for them when they end.
#pragma once

#include "broker/state.h"

// Becomes the subreaper and reaps from the loop from now on, leaving alone whoever is waited for elsewhere.
int reap_start(broker *b, bh_error *err);
void reap_stop(broker *b);
// At the end of the broker: kills every child that is left, such as a monitor whose opening was cut short.
void reap_end_all(void);
