// Starting the process that holds a terminal.
#pragma once

#include "broker/state.h"

typedef struct terminal_monitor {
    const broker *broker;
    const char *machine, *terminal; // ids
    uid_t service_id;               // whom it becomes
    const char *label;              // its SELinux label; NULL or empty: none
    const char *const *environment; // NULL: that of every program (profile.h)
    int64_t columns, rows;
    // A command on a pty of its own…
    char *const *command; // NULL: the login shell
    bool direct;          // in the guest itself: there is no container to enter
    bool orphan;          // as a child of its container's first process
    // …or a program that runs already.
    int master; // its pty; -1: there is none yet
    pid_t program;
    const char *replay; // a file with what it has printed so far
    int64_t replay_from;
} terminal_monitor;

// In a job. *opened: what the monitor says once the terminal is open. On failure nothing of it is left.
int terminal_start_monitor(const terminal_monitor *monitor, json_t **opened, bh_error *err);
