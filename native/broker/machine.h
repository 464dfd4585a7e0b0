// The record of one machine: what was asked for, and what is needed to find it again. It is on disk, in
// <state>/run/machines/<id>/machine.json, before anything of the machine exists, so that whatever a killed broker left
// half made is found and removed by the next one.
#pragma once

#include "base/error.h"
#include "base/loop.h"
#include "broker/mcs.h"
#include "broker/vm_end.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum machine_kind { MACHINE_CONTAINER, MACHINE_VM } machine_kind;

typedef enum machine_state {
    MACHINE_CREATING, // never seen in an answer: on disk only while the maker is alive
    MACHINE_RUNNING,
    MACHINE_EXITED,
} machine_state;

// A limit on CPU time is a quota in every period: cpu_millis 500 is 50 of every 100 milliseconds.
#define CPU_PERIOD_US 100000
static inline int64_t cpu_quota_us(int64_t cpu_millis) {
    return cpu_millis * CPU_PERIOD_US / 1000;
}

typedef struct machine_limits {
    int64_t memory_bytes, cpu_millis;
    int64_t pids, disk_bytes; // containers only; else 0
} machine_limits;

struct broker;
struct terminal;

typedef struct machine {
    char id[33];
    machine_kind kind;
    machine_state state;
    char image[33];
    char profile[16]; // containers only
    char hostname[64];
    char accel[8];             // VMs only
    bool selinux;              // VMs only: one whose own kernel has SELinux
    char label[MCS_LABEL_MAX]; // of its processes, on a host with SELinux; else empty
    machine_limits limits;
    json_t *labels;
    int64_t created_ms;  // Unix time
    char exit[256];      // why it ended, one sentence; empty while it runs
    end_cause cause;     // the same for programs; END_UNKNOWN while it runs
    int32_t slot;        // which ids are its own: see ids.h
    pid_t pid;           // the container's init, or QEMU; 0 before it is started
    bool frozen;         // it stands still until it is thawed: see freeze.h
    uint64_t start_time; // of that process, clock ticks since boot: a pid alone may have been given to another since

    // In memory only.
    struct broker *broker;
    struct terminal *terminals;
    loop_source init;           // a pidfd of `pid`; -1 while nothing is watched
    int64_t exec_oom_kills;     // v1: of processes that `exec` ran, whose groups are gone and took their counts along
    int64_t exec_pids_refusals; // the same of forks, also on v2 before Linux 6.11
    struct metering *metering;  // while somebody looks at its figures; else NULL
    struct moving *moving;      // VMs only: its move or its saving that is under way
    struct vm_watch *watch;     // VMs only: who listens to its QEMU; NULL: nobody
    int end_status;             // of its first process, as from waitpid, once that has ended; negative: not known
    json_t *console;            // VMs only: the last lines of its console once it has ended; else NULL
    bool restarting;            // it is being made anew in its place
    struct template *template;  // VMs only: what it is being made a copy of
    struct checkpointing *checkpointing; // containers in a VM: it is being written down
    json_t *restoring;                   // {checkpoint, terminals}: what it is being made from, or was
    pid_t destroyer;                     // the job that ends it when the broker ends; 0: none
    int opening;   // terminals and connections being opened: whoever carries them is not in the list yet
    bool freezing; // it is being frozen or thawed
    bool deleting; // its deletion is wanted, or under way
    struct machine *next;
} machine;

// Whether it is `host` in a guest: the machine this broker itself is in. It has no ids of its own to give.
static inline bool machine_is_self(const machine *m) {
    return m->slot < 0;
}

// A record without a slot, a process or limits, to be filled in. NULL when memory is out.
machine *machine_new(const char *id);
void machine_free(machine *m);

// The record as it is on disk: every field, and the boot in which it was made.
json_t *machine_to_json(const machine *m, const char *boot_id);
// Reads such a record; refuses anything that machine_to_json would not have written. `boot_id` (at least 40 bytes) gets
// the boot's. NULL with *err set on failure.
machine *machine_from_json(json_t *record, char *boot_id, bh_error *err);
// The record as docs/protocol.md has it, for answers.
json_t *machine_describe(const machine *m);

const char *machine_kind_name(machine_kind kind);
