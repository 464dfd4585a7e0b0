// Terminals: one bulkhead-monitor process each, which holds the pty and outlives the broker. What has become of its
// program is read from the monitor's status file (native/monitor/bulkhead-monitor.c).
#pragma once

#include "broker/state.h"

// A terminal's id. Six characters keep `<state>/run/machines/<id>/terminals/<terminal>.sock` inside the 107 bytes of a
// Unix socket's address (unix(7)) for any machine id and a state directory of up to STATE_DIR_MAX bytes.
#define TERMINAL_ID_LENGTH 6
#define TERMINALS_PER_MACHINE 16

typedef struct terminal {
    char id[17];
    struct machine *machine;
    pid_t monitor;
    uint64_t start_time;       // of the monitor
    loop_source monitor_ended; // a pidfd
    int watch;                 // inotify watch of the status file; -1: none
    bool exited;
    bool unopened; // nobody has it yet, nor is told of it: see first_shell.h
    struct terminal *next;
} terminal;

// As machine.list has them (docs/protocol.md). A new reference.
json_t *terminals_describe(const terminal *terminals);
// NULL where the machine has no such terminal.
terminal *terminal_find(const machine *m, const char *id);
// Adds a terminal whose monitor runs, and watches both the monitor and what it says of its program.
int terminal_add(machine *m, const char *id, pid_t monitor, bh_error *err);
void terminal_forget(terminal *t);
void terminals_forget(machine *m);

// The broker's one inotify, for the status files of all terminals.
int terminals_watch(broker *b, bh_error *err);
void terminals_unwatch(broker *b);

// Finds the terminals of a machine that an earlier broker opened.
void terminals_find(machine *m);
// Ends the monitor of one terminal, or of every terminal, and removes its files. Blocking; works from the files alone.
int terminal_end(const broker *b, const char *machine_id, const char *id, bh_error *err);
int terminals_end(const broker *b, const char *machine_id, bh_error *err);
// The pids of a machine's monitors; returns the count.
size_t terminals_monitors(const machine *m, pid_t *pids, size_t max);

// <machine>/terminals/<id><suffix>, such as ".sock".
state_name terminal_file(const broker *b, const char *machine_id, const char *id, const char *suffix);
