// The connections into a machine that were dialled (dial.c): each is carried by a process in this group.
#pragma once

#include "broker/state.h"

// Below the machine's own, so that they end with it; in the guest itself, beside the machines'.
state_name streams_group(const broker *b, const machine *m);
