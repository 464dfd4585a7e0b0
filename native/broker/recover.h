// A broker that starts again finds what an earlier one left: machines that still run, ended ones, and halves.
#pragma once

#include "broker/state.h"

// Reads every record under <state>/run/machines. Fails only when that folder cannot be read.
int machines_find(broker *b, bh_error *err);
