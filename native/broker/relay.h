// Carries one dialled connection to whoever dialled it, as frames of the attach protocol under credit
// (docs/protocol.md, "Streams"). A process of its own does this for each, so that the bytes of a machine's programs
// never pass through the broker.
#pragma once

#include "base/error.h"
#include "base/loop.h"

// Bytes that either side may send before it has been granted more.
enum { RELAY_WINDOW = 262144 };

// Runs until either side is through; both are non-blocking sockets, and stay open. `peer` has frames, `connection`
// bytes as they are. Negative when the peer breaks the protocol.
int relay_run(loop *l, int peer, int connection, bh_error *err);
