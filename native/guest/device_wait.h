// Devices that appear some time after their driver was loaded: a virtio-serial port, a disk behind a controller.
#pragma once

#include "base/error.h"

#include <stdbool.h>

// Looks for a device until it is there, at most ten seconds: `find` returns a number from 0 on when it is, else fails,
// and sets `missing` when it may only not be there yet. Returns what `find` returned.
int device_wait(int (*find)(bool *missing, bh_error *err), bh_error *err);
