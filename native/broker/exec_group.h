// A control group for what the broker runs in a machine besides what the learner does there.
#pragma once

#include "broker/process.h"
#include "broker/state.h"

// Makes one below the machine's (`direct`: in the guest itself, beside the machines'), and says its name. Called in the
// broker, not in a job: a deletion that begins now is to find it.
int exec_group_make(const request *r, bool direct, state_name *group, bh_error *err);
// Runs `bulkhead` with a verb that runs a program for it, and says how that ended, as `exec` answers. In a job.
int exec_by_runtime(process_spec *spec, json_t **answer, bh_error *err);
