// Machines that stand still with all they have in memory, and go on where they were: a container by its control group's
// freezer, a VM by QEMU, which stops its processors.
#pragma once

#include "broker/state.h"

// For a broker that has found the machine again: what was frozen stays so. Blocking, but for milliseconds.
void freeze_recover(machine *m);
