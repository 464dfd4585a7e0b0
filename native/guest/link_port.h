// The guest's end of the link on its virtio-serial port: the broker's one client, and the attach streams of its
// terminals.
#pragma once

#include "base/loop.h"
#include "broker/broker.h"

// Finds the port by its name, and serves the broker's host on it from now on. There is one in a guest, and it is never
// closed.
int link_port_open(broker *b, loop *l, bh_error *err);
