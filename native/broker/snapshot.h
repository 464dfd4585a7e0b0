// The snapshots of a VM: files in <machine>/snapshots, gone with the machine.
#pragma once

#include "broker/state.h"

// Whether so many bytes are free where the broker's state is; the request is answered when not. `what` they are for
// goes into the sentence.
bool state_has_room(request *r, const char *what, int64_t bytes);

// Whether one more may be made under the name that the request has, and whether the one of that name fits this QEMU and
// this image; the request is answered when not.
bool snapshot_may_be_made(request *r, const machine *m);
bool snapshot_may_be_used(request *r, const machine *m);

// In a job. A file to write the VM to: complete once it is finished, and gone when it is abandoned.
int snapshot_begin(const machine *m, const char *name, bh_error *err);
int snapshot_finish(const machine *m, const char *name, int file, bh_error *err);
void snapshot_abandon(const machine *m, const char *name);
// The file of a snapshot that is complete.
int snapshot_open(const machine *m, const char *name, bh_error *err);
