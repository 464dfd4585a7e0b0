// What must be so before a broker can start on a host, each checked by name.
#pragma once

#include "broker/broker.h"

// Root, cgroup controllers, the state directory, the programs. The message says what is missing and what to do.
int preflight(const broker_config *config, bh_error *err);
// Takes <state>/run/broker.lock, which is held by staying open. Refused, naming the holder, while another broker has
// it.
int preflight_lock(const broker_config *config, bh_error *err);
