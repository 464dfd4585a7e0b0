// What the runtime and the process that becomes the container say to each other, over a socketpair that the final exec
// closes:
//
//     runtime                         child
//        |   <-- clone3 ---            | not dumpable, joins its cgroup
//        | --- HANDSHAKE_MAPPED --->   | has ids now: mounts, pivot_root
//        |   <-- HANDSHAKE_ROOTED --   | mounts are done; only where there are hooks to run before pivot_root
//        | --- HANDSHAKE_HOOKED --->   | they have been run
//        |   <-- HANDSHAKE_LISTENER -- | only with a seccomp filter that notifies: its listener, to be passed on
//        |   <-- HANDSHAKE_READY ---   | all but the exec is done
//        | --- HANDSHAKE_GO --->       | (create: `start` says so instead)
//        |   <-- end of file ---       | exec has happened
//
// At any point the child may say HANDSHAKE_FAILED with its error, or die.
#pragma once

#include "base/error.h"

#include <sys/types.h>

typedef enum handshake_stage {
    HANDSHAKE_MAPPED = 1,
    HANDSHAKE_ROOTED,
    HANDSHAKE_HOOKED,
    HANDSHAKE_LISTENER,
    HANDSHAKE_READY,
    HANDSHAKE_GO,
    HANDSHAKE_FAILED,
    HANDSHAKE_PID,    // exec: the pid of the process that was made inside, in `value`
    HANDSHAKE_EXECED, // never sent: what handshake_wait makes of the end of file
} handshake_stage;

// A socket pair that exec closes. ends[0] is the runtime's, ends[1] the child's; each closes the other's.
int handshake_make(int ends[2], bh_error *err);
// One message; `value` is for the stages that have one. When nobody is there to hear it, *err is what they said last.
int handshake_send(int fd, handshake_stage stage, int value, bh_error *err);
// From now on a wait at this end fails after so many seconds.
int handshake_limit(int fd, int seconds, bh_error *err);
void handshake_send_error(int fd, const bh_error *failure);
// The same with an open file; and waiting for that, which the caller then has to close.
int handshake_send_file(int fd, handshake_stage stage, int file, bh_error *err);
int handshake_wait_file(int fd, handshake_stage wanted, bh_error *err);
// Waits for one message, which must be `wanted`. The other side's failure becomes *err. `value` may be NULL.
int handshake_wait(int fd, handshake_stage wanted, int *value, bh_error *err);
