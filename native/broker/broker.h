// The broker's inside: one state, one event loop, and a request handler that does not care what carried the request.
#pragma once

#include "base/error.h"
#include "base/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct broker_config {
    bool guest;                // true in a VM: depth "guest", machine `host` exists, no VMs are made
    const char *state_dir;     // /var/lib/bulkhead; in a guest /run/bulkhead
    const char *images_dir;    // <state>/images
    const char *programs_dir;  // where bulkhead and bulkhead-monitor are
    const char *cgroup_parent; // relative to each hierarchy: "bulkhead"
    uid_t server_uid;          // who may speak on the control socket, besides root
    gid_t server_gid;
    uid_t id_base;       // first host id of the first container's range
    const char *accel;   // "auto", "kvm" or "tcg"
    const char *nesting; // "host" or "vm": where `nested` containers may be made
    const json_t *boot;  // a guest's boot [{step, start_us, end_us, detail, source}], as `probe` shows it; else NULL
    // A guest's: see guest/identity.h; NULL on the host.
    int (*renew)(const char *hostname, const uint8_t *entropy, size_t length, int64_t unix_ms, bh_error *err);
    int max_machines;     // 0: as many as the memory suggests
    int patience_percent; // of what a real processor needs at its worst: for one that is emulated; 0: 100
} broker_config;

typedef struct broker broker;

// One control conversation: a connection on the control socket, or channel 0 of the link. The transport embeds this.
typedef struct client {
    // Queues one line (without its newline) to the peer. Never blocks; a peer that does not read is disconnected.
    void (*send)(struct client *client, const char *line, size_t length);
    // The link only: starts carrying attach frames between this connected monitor socket and a new channel, and returns
    // the channel's number (or negative). NULL on a Unix socket. Takes ownership of the fd.
    int (*open_channel)(struct client *client, int attach_fd, bh_error *err);
    bool subscribed;
    struct client *next; // the broker's list, for events
} client;

// Everything the config points to must live as long as the broker. The broker makes its process a subreaper, blocks
// SIGCHLD and reaps every child that nobody has waited for within a tenth of a second: its caller (pid 1 in a VM) must
// not reap with waitpid(-1), which would take away what a job reported.
broker *broker_new(const broker_config *config, loop *l, bh_error *err);
void broker_free(broker *b);
void broker_add_client(broker *b, client *c);
void broker_remove_client(broker *b, client *c); // answers still being worked out for it are dropped
// Takes one request line; the answer is sent by client->send, now or later.
void broker_handle_line(broker *b, client *c, const char *line, size_t length);
// Sends an event object to every subscribed client. Steals the reference.
void broker_emit(broker *b, json_t *event);
// Ends every machine and waits until all are gone.
int broker_end_all(broker *b, bh_error *err);

loop *broker_loop(broker *b);
const broker_config *broker_settings(const broker *b);
