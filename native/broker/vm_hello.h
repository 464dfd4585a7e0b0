// The host's first word on a VM's link (docs/protocol.md, Link): enough to see that a guest has booted.
#pragma once

#include "base/error.h"

// Says hello on the link's socket until the guest's broker answers, for at most `timeout_ms`.
int vm_wait_for_hello(const char *link_socket, int timeout_ms, bh_error *err);
