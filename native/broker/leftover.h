// What the jobs of a broker that was killed are still at.
#pragma once

#include "broker/state.h"

// Waits until no runtime is at work any more that an earlier broker's jobs began. The kernel ends a job with its
// broker, and a job's runtime when that job has had its last turn: a while on a busy machine, and until then it goes on
// making and deleting what this broker is about to read. One that does not end is named in the log.
void leftovers_await(const broker *b);
