// What is remembered of a container between two commands: <root>/<id>/state.json and a copy of its config.json.
#pragma once

#include "runtime/config.h"

#include <stdint.h>
#include <sys/types.h>

// podman's ids have 64 characters, containerd's up to 76.
enum { STATE_ID_MAX = 128 };

typedef struct state {
    char id[STATE_ID_MAX + 1];
    pid_t pid;
    uint64_t start_ticks; // of the process, from /proc/<pid>/stat: tells it from a later one with the same pid
    char bundle[512], rootfs[512];
    char cgroup_path[256]; // "" for none
    char created[32];      // ISO 8601
    json_t *annotations;   // owned, may be NULL
    json_t *hooks;         // likewise; kept here so that `start` and `delete` need not read config.json
} state;

// What the runtime-spec calls `status`.
// (`paused`, which it does not know but every caller does, is only what state_to_json says of a running one.)
typedef enum state_status { STATE_CREATING, STATE_CREATED, STATE_RUNNING, STATE_STOPPED } state_status;

// Fails unless the id is a plain file name: it becomes one.
int state_check_id(const char *id, bh_error *err);
// Makes <root>/<id>; fails with EEXIST if there is such a container. Returns an fd of it.
int state_make_dir(const char *root, const char *id, bh_error *err);
// err->code is ENOENT if there is no such container.
int state_open_dir(const char *root, const char *id, bh_error *err);
int state_remove_dir(const char *root, const char *id, bh_error *err);

// Replaces the record in the container's folder.
int state_save(int dir, const state *s, bh_error *err);
// Reads it back, to be freed. Without a record (the container is being made) pid is 0.
int state_load(int dir, const char *id, state *s, bh_error *err);
void state_free(state *s);
// Asks the kernel about the process, and the folder whether it has been started.
state_status state_status_of(int dir, const state *s);
const char *state_status_name(state_status status);
// The JSON object that runtime-spec's `state` prints. A new reference.
json_t *state_to_json(int dir, const state *s);
// The start time of a process; 0 when there is none or only a zombie is left.
uint64_t state_process_start(pid_t pid);
// A pidfd that is certainly the container's process, or -1 with ESRCH.
int state_open_process(const state *s, bh_error *err);

// In the folder while the container waits for `start`: the socket on which its init listens.
#define STATE_START_SOCKET "start.sock"
#define STATE_CONFIG "config.json"
