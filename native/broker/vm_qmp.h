// QEMU's monitor (QMP: docs/interop/qmp-spec.rst of QEMU): one command and its answer at a time. QEMU is not trusted:
// what it says is bounded in size and time.
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct vm_qmp {
    int fd;
    const char *dir; // of the VM, for messages
    char text[16384];
    size_t length;
} vm_qmp;

// Connects to qmp.sock in `dir`, which must outlive *q, and shakes hands. Close with vm_qmp_close, also after a
// failure.
int vm_qmp_open(vm_qmp *q, const char *dir, bh_error *err);
void vm_qmp_close(vm_qmp *q);
// Runs a command; steals `arguments` (may be NULL). `pass_fd` goes along with it unless negative. *answer (may be NULL)
// is what it returns; QEMU's refusal is a failure in its words.
int vm_qmp_run(vm_qmp *q, const char *command, json_t *arguments, int pass_fd, json_t **answer, bh_error *err);
// Sets what a migration, out or in, is to be like; both ends must agree on `ignore_shared`: that memory which the two
// share is not sent. `pause_first`: it waits for migrate-continue once the VM stands still. Its state comes in events
// from now on.
int vm_qmp_set_migration(vm_qmp *q, bool ignore_shared, bool pause_first, bh_error *err);
// Waits for a migration, in or out, to come to its end.
int vm_qmp_await_migration(vm_qmp *q, bh_error *err);
