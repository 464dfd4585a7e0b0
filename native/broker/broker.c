// The broker's state: made, found again after a restart, and told to its clients.
#include "broker/broker.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/check.h"
#include "broker/end.h"
#include "broker/ids.h"
#include "broker/leftover.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/probe.h"
#include "broker/reap.h"
#include "broker/recover.h"
#include "broker/stats.h"
#include "broker/template.h"
#include "broker/terminal.h"
#include "broker/vm_watch.h"
#include "broker/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define MIB ((int64_t)1024 * 1024)
#define GIB (1024 * MIB)
#define PIDS_MAX 4096
#define DISK_MAX (4 * GIB)
// Unless the operator says how many machines there may be: what an idle container is taken to cost (probe/capacity.c),
// ten times over, and 64 on whatever host. Whether a machine fits beside those that run is for whoever asks for it to
// know.
#define MEMORY_PER_MACHINE (32 * MIB)
#define MACHINES 64

static int64_t at_most(int64_t value, int64_t most) {
    return value < most ? value : most;
}

// What one machine may have: half of the memory (a container's disk is memory too), every CPU.
static void measure_maxima(broker *b) {
    struct sysinfo info;
    sysinfo(&info);
    int64_t memory = (int64_t)info.totalram * info.mem_unit;
    int64_t machines = b->config.max_machines;
    if (machines <= 0)
        machines = memory / MEMORY_PER_MACHINE > MACHINES ? memory / MEMORY_PER_MACHINE : MACHINES;
    b->maxima = (maxima){
        .machines = at_most(machines, ID_SLOTS),
        .memory_bytes = memory / 2,
        .pids = PIDS_MAX,
        .disk_bytes = at_most(memory / 2, DISK_MAX),
        .cpu_millis = sysconf(_SC_NPROCESSORS_ONLN) * 1000,
    };
}

// <state>/run and <state>/run/machines: the server may pass through (to attach sockets whose names it was told), not
// look around, and nobody else may do either.
static int make_directories(const broker *b, bh_error *err) {
    static const char *const below[] = {"/run", "/run/machines"};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        state_name dir;
        snprintf(dir.text, sizeof dir.text, "%s%s", b->config.state_dir, below[i]);
        if (fs_make_dirs(dir.text, 0711, err) < 0)
            return -1;
        if (chown(dir.text, 0, b->config.server_gid) < 0 || chmod(dir.text, 0710) < 0)
            return bh_fail(err, errno, "cannot give %s to group %u", dir.text, b->config.server_gid);
    }
    return fs_make_dirs(runtime_root(b).text, 0700, err);
}

// The guest itself is a machine of its own broker: its shells and commands run here without a container around them.
static int add_guest_itself(broker *b, bh_error *err) {
    machine *m = machine_new("host");
    if (!m)
        return bh_fail(err, ENOMEM, "cannot keep a machine record");
    struct sysinfo info;
    sysinfo(&info);
    m->broker = b;
    m->kind = MACHINE_VM;
    m->state = MACHINE_RUNNING;
    m->pid = 1;
    m->limits.memory_bytes = (int64_t)info.totalram * info.mem_unit;
    m->limits.cpu_millis = b->maxima.cpu_millis;
    snprintf(m->image, sizeof m->image, "vm");
    gethostname(m->hostname, sizeof m->hostname - 1);
    broker_remember(b, m);
    return fs_make_dirs(machine_file(b, "host", "terminals").text, 0710, err);
}

broker *broker_new(const broker_config *config, loop *l, bh_error *err) {
    broker *b = calloc(1, sizeof *b);
    if (!b) {
        bh_fail(err, ENOMEM, "cannot start the broker");
        return NULL;
    }
    b->config = *config;
    b->loop = l;
    b->terminal_events.fd = b->child_events.fd = -1;
    measure_maxima(b);
    // A guest keeps no records from one boot to the next; and the kernel draws this id when it is first read, which in
    // a copy of a template has to be after the copy was made.
    if (!config->guest &&
        fs_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", b->boot_id, sizeof b->boot_id, err) < 0) {
        broker_free(b);
        return NULL;
    }
    if (!config->guest)
        leftovers_await(b);
    if (make_directories(b, err) < 0 || cgroup_create(config->cgroup_parent, &CGROUP_NO_LIMITS, err) < 0 ||
        (has_monitors_group(b) && cgroup_create(monitors_cgroup(b).text, &CGROUP_NO_LIMITS, err) < 0) ||
        checks_clear(b, err) < 0 || reap_start(b, err) < 0 || terminals_watch(b, err) < 0 ||
        (config->guest ? add_guest_itself(b, err) : machines_find(b, err)) < 0) {
        broker_free(b);
        return NULL;
    }
    if (!config->guest)
        accel_find(b);
    return b;
}

void broker_free(broker *b) {
    if (!b)
        return;
    while (b->machines)
        broker_forget(b, b->machines);
    templates_free(b);
    terminals_unwatch(b);
    loop_timer_stop(b->loop, &b->stats_timer);
    reap_stop(b);
    free(b);
}

loop *broker_loop(broker *b) {
    return b->loop;
}

const broker_config *broker_settings(const broker *b) {
    return &b->config;
}

void broker_add_client(broker *b, client *c) {
    c->next = b->clients;
    b->clients = c;
}

void broker_remove_client(broker *b, client *c) {
    for (client **at = &b->clients; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    for (request *r = b->requests; r; r = r->next) {
        if (r->client == c)
            r->client = NULL;
    }
}

void broker_emit(broker *b, json_t *event) {
    cleanup_json json_t *owned = event;
    cleanup_free char *line = json_dumps(owned, JSON_COMPACT);
    if (!line)
        return;
    log_debug("event %s", line);
    for (client *c = b->clients; c; c = c->next) {
        if (c->subscribed)
            c->send(c, line, strlen(line));
    }
}

machine *broker_find(const broker *b, const char *id) {
    for (machine *m = b->machines; m; m = m->next) {
        if (strcmp(m->id, id) == 0)
            return m;
    }
    return NULL;
}

void broker_remember(broker *b, machine *m) {
    // By time and then by name, so that a broker that finds its machines again lists them as the one before it did.
    machine **at = &b->machines;
    while (*at &&
           ((*at)->created_ms < m->created_ms || ((*at)->created_ms == m->created_ms && strcmp((*at)->id, m->id) < 0)))
        at = &(*at)->next;
    m->next = *at;
    *at = m;
}

void broker_forget(broker *b, machine *m) {
    for (machine **at = &b->machines; *at; at = &(*at)->next) {
        if (*at == m) {
            *at = m->next;
            break;
        }
    }
    template_release(m);
    stats_forget(m);
    machine_unwatch(m);
    vm_watch_stop(m);
    terminals_forget(m);
    machine_free(m);
}

__attribute__((format(printf, 1, 2))) static state_name name_of(const char *format, ...) {
    state_name made;
    va_list args;
    va_start(args, format);
    vsnprintf(made.text, sizeof made.text, format, args);
    va_end(args);
    return made;
}

state_name machine_dir(const broker *b, const char *id) {
    return name_of("%s/run/machines/%s", b->config.state_dir, id);
}

state_name machine_file(const broker *b, const char *id, const char *file) {
    return name_of("%s/run/machines/%s/%s", b->config.state_dir, id, file);
}

state_name machine_cgroup(const broker *b, const char *id) {
    return name_of("%s/%s", b->config.cgroup_parent, id);
}

state_name monitors_cgroup(const broker *b) {
    return name_of("%s/monitors.group", b->config.cgroup_parent); // no machine's name: those have no dot
}

bool has_monitors_group(const broker *b) {
    return !b->config.guest && cgroup_version() == 2;
}

state_name runtime_root(const broker *b) {
    return name_of("%s/run/runtime", b->config.state_dir);
}

int broker_patience(const broker *b, int real_ms) {
    return b->config.patience_percent ? (int)((int64_t)real_ms * b->config.patience_percent / 100) : real_ms;
}

state_name program(const broker *b, const char *file) {
    return name_of("%s/%s", b->config.programs_dir, file);
}
