// What a guest is called, and its only network device. Each function is one step of the boot (guest.c).
#pragma once

#include "base/error.h"

// The host name given on the kernel's command line (bulkhead.hostname=), and a machine id of its own.
int set_identity(bh_error *err);
// lo: a guest has no other.
int bring_up_loopback(bh_error *err);
