// What this host has: for `probe`, and to choose where a machine goes.
#pragma once

#include "broker/state.h"

// Starts finding out, in a job, how VMs run here; `probe` answers with what is known so far.
void accel_find(broker *b);
// {"accel": "kvm", "tcg" or null, "machine", "reason"}
json_t *accel_to_json(const vm_accel *found);
