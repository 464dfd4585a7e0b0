// The host's broker as a guest's caller (docs/protocol.md, Link): enough to see that a guest has booted, and to ask it
// one thing before anybody else does.
#pragma once

#include "base/error.h"
#include "broker/vm_trace.h"

#include <jansson.h>

// Says hello on the link's socket until the guest's broker answers, for at most `timeout_ms`.
int vm_wait_for_hello(const char *link_socket, int timeout_ms, bh_error *err);
// Says hello, and then asks the guest's broker: `params` is stolen. Fails in its words when it refuses.
int vm_ask_guest(const char *link_socket, const char *method, json_t *params, int timeout_ms, bh_error *err);
// The same, and tells the trace (which may be NULL) when the guest has said hello.
int vm_greet_and_ask(const char *link_socket, const char *method, json_t *params, int timeout_ms, vm_trace *trace,
                     bh_error *err);
