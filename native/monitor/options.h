// The monitor's command line; what each option means is told in bulkhead-monitor.c.
#pragma once

#include "base/error.h"
#include "base/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct options {
    const char *socket;
    uid_t socket_uid;
    gid_t socket_gid;
    uid_t uid; // (uid_t)-1: stay what it is
    gid_t gid;
    frame_size size;
    size_t ring_bytes;
    int status_fd;
    const char *console_socket; // NULL: the monitor opens the pty itself
    const char *pid_file;
    bool orphan;        // the program is no child of ours
    int master;         // the pty of a program that runs already; -1: COMMAND starts one
    pid_t program;      // that program
    const char *replay; // a file with what it printed elsewhere; or NULL
    uint64_t replay_from;
    char **command; // NULL-terminated
} options;

// Fails, naming the option, for one that is unknown, missing or out of range. Texts in *o are argv's.
int options_parse(int argc, char **argv, options *o, bh_error *err);
