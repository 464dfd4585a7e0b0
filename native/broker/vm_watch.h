// What QEMU tells of its guest, as it happens: a second monitor on which the broker only listens (qemu:
// qapi/run-state.json). The first is for whoever has something to ask (vm_qmp.h), and serves one at a time.
#pragma once

#include "broker/machine.h"

typedef struct vm_watch vm_watch;

// What QEMU has said of the VM's end. QEMU is not trusted: these are hints about a guest to whoever owns it.
typedef struct vm_news {
    bool panicked;     // its kernel said so (GUEST_PANICKED)
    char shutdown[24]; // why QEMU ends: "guest-shutdown", "guest-reset", "guest-panic", "host-signal"…; or empty
} vm_news;

// Listens from now on, to the QEMU whose events.sock is in the machine's directory; what an earlier one said is
// forgotten. m->watch is then set.
int vm_watch_start(machine *m, bh_error *err);
// Once QEMU has ended: reads what it said last, gives all of it, and stops listening. Nothing, if nobody listened.
vm_news vm_watch_finish(machine *m);
void vm_watch_stop(machine *m);

// One line from QEMU, noted if it is news. For the watch, and for tests.
void vm_news_read(vm_news *news, const char *line, size_t length);
