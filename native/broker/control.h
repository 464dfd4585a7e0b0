// The control socket: <state>/run/control.sock, one JSON object a line, peers known by SO_PEERCRED.
#pragma once

#include "broker/broker.h"

typedef struct control control;

control *control_listen(broker *b, bh_error *err);
// Closes the socket and every connection, and removes the name.
void control_close(control *c);
