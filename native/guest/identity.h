// What a guest is called, and its only network device. Steps of the boot (guest.c), and what a copy of a booted guest
// needs.
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

// The host name given on the kernel's command line (bulkhead.hostname=), and a machine id of its own.
int set_identity(bh_error *err);
// What a guest does first that goes on from where another was: the time of day (Unix milliseconds), and `entropy`, from
// which its random numbers come, so that no two share any; a copy also gets a host name and a machine id of its own,
// one that goes back to a moment of its own (`hostname` NULL) keeps them. Called by the broker (broker_config.renew).
int renew_identity(const char *hostname, const uint8_t *entropy, size_t length, int64_t unix_ms, bh_error *err);
// lo: a guest has no other.
int bring_up_loopback(bh_error *err);
