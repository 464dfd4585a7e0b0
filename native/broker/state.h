// The broker's state, seen by the files of this folder only.
#pragma once

#include "broker/broker.h"
#include "broker/machine.h"
#include "broker/params.h"
#include "broker/vm.h"

// The longest state directory: see TERMINAL_ID_LENGTH.
#define STATE_DIR_MAX 39
// Requests of one client that are still being worked on, and of all.
#define REQUESTS_PER_CLIENT 256
#define MAX_ZOMBIES 64

// The most a single machine may be given, and how many there may be.
typedef struct maxima {
    int64_t machines, memory_bytes, pids, disk_bytes, cpu_millis;
} maxima;

struct broker {
    broker_config config;
    loop *loop;
    client *clients;
    struct request *requests; // being worked on
    machine *machines;
    maxima maxima;
    int32_t next_slot;
    struct template *templates;
    char boot_id[40];
    vm_accel accel;              // accel.accel empty while unknown or impossible; reason says which
    loop_source terminal_events; // inotify
    loop_source child_events;    // signalfd
    loop_timer reap_timer;
    loop_timer stats_timer;     // runs while files of machines are open for machine.stats
    pid_t zombies[MAX_ZOMBIES]; // seen by the last pass of reap.c
    size_t zombie_count;
};

// One row of the dispatch table.
typedef struct method {
    const char *name;
    void (*handle)(struct request *r);
    const param *params;
} method;

// A request whose answer is owed. A handler answers with exactly one of the three functions below, now or from the
// loop later; each frees the request.
typedef struct request {
    broker *broker;
    client *client; // NULL once the peer has gone; the answer is then dropped
    const method *method;
    json_t *id;
    json_t *params;   // checked against method->params
    char machine[33]; // the machine asked for, if there is such a parameter
    struct request *next;
} request;

void request_answer(request *r, json_t *result); // steals the result
__attribute__((format(printf, 4, 5))) void request_refuse(request *r, const char *code, const char *field,
                                                          const char *format, ...);
// With the code that fits the error: "timeout", "unsupported" or "failed".
void request_fail(request *r, const bh_error *err);

// The machine that the request names; NULL when there is none or it is not to be used, and the request is then
// answered.
machine *request_machine(request *r);
// The same, if programs can be started in it by this broker; otherwise refuses and returns NULL.
machine *request_machine_to_enter(request *r);
machine *broker_find(const broker *b, const char *id);
void broker_remember(broker *b, machine *m); // puts it into the list, which is in the order of creation
void broker_forget(broker *b, machine *m);   // takes it out of the list and frees it

// Names in the state directory, and of cgroups. By value, so that they can be used where a string is.
typedef struct state_name {
    char text[192];
} state_name;

// <state>/run/machines/<id>; a file in it; the machine's control group; the runtime's --root; a program of ours.
state_name machine_dir(const broker *b, const char *id);
state_name machine_file(const broker *b, const char *id, const char *file);
state_name machine_cgroup(const broker *b, const char *id);
// Where monitors live: not in the broker's own group, which under systemd is its service's, so that they would be taken
// for what a broker before left behind. There is one where it costs nothing to be born in it: on a host with cgroup v2.
state_name monitors_cgroup(const broker *b);
bool has_monitors_group(const broker *b);
state_name runtime_root(const broker *b);
state_name program(const broker *b, const char *file);
// How long something is waited for that takes a real processor so long at its worst.
int broker_patience(const broker *b, int real_ms);
