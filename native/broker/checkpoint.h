// Checkpoints: containers written down by CRIU, in a VM, and made again from that, in this VM or in another.
#pragma once

#include "broker/state.h"

// One under way, of a container. It goes on as a job.
struct checkpointing;

// What the first member of a checkpoint's archive says: the machine, and what is needed to make it again.
typedef struct checkpoint_head {
    json_t *machine;   // its record, as on disk
    json_t *terminals; // [{terminal, pts, program, columns, rows, offset}]
    char image_digest[72], kernel[72];
    int64_t processes, created_ms;
} checkpoint_head;

// In the job that makes a container: what it may write is kept where this broker can read it, in the guest's own
// mounts and in no other's. Bounded by the container's limits.
int checkpoint_mount_layer(const machine *m, bh_error *err);
void checkpoint_unmount_layer(const broker *b, const char *id);

// The folder of all checkpoints, made and mounted when it is first asked for, with a bounded size.
int checkpoint_folder(const broker *b, state_name *folder, bh_error *err);
state_name checkpoint_file(const broker *b, const char *name, const char *suffix);
// Reads the head of a checkpoint, to be freed; err->code is ENOENT where there is none.
int checkpoint_read_head(const broker *b, const char *name, checkpoint_head *head, bh_error *err);
void checkpoint_head_free(checkpoint_head *head);
// Whether there is room for one more with the name that the request has; answers the request when not.
bool checkpoint_may_be_made(request *r);
