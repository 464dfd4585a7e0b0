// The control socket: <state>/run/control.sock, one JSON object a line, peers known by SO_PEERCRED.
#pragma once

#include "broker/broker.h"

typedef struct control control;

// Makes the socket, for root and the server's group, and serves it from the broker's loop. NULL with *err set on
// failure.
control *control_listen(broker *b, bh_error *err);
// Closes the socket and every connection, and removes the name.
void control_close(control *c);
