// dial: a connection to a port on a machine's own loopback. Programs in a machine listen in a network namespace that no
// address leads to, so whoever connects has to enter it; a relay (relay.h) then carries the bytes.
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/confine.h"
#include "base/fd_passing.h"
#include "base/listener.h"
#include "broker/end.h"
#include "broker/identity.h"
#include "broker/ids.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/relay.h"
#include "broker/restart.h"
#include "broker/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define STREAMS_PER_MACHINE 32
#define STREAM_ID_LENGTH 6
// A program that does not accept lets its backlog fill up, and then nothing answers.
#define CONNECT_LIMIT_MS 5000
// Until the stream of a connection has to be claimed.
#define CLAIM_LIMIT_MS 10000

typedef struct dialling {
    request *request;
    pid_t pid; // of the container's first process; 0 for the guest itself
    uint64_t start_time;
    uid_t service_id;
    int port;
    char id[STREAM_ID_LENGTH + 1];
    char name[64]; // for people
    state_name group;
} dialling;

state_name streams_group(const broker *b, const machine *m) {
    state_name group;
    if (machine_is_self(m))
        snprintf(group.text, sizeof group.text, "%.120s/streams", b->config.cgroup_parent);
    else
        snprintf(group.text, sizeof group.text, "%.120s/%.32s/streams", b->config.cgroup_parent, m->id);
    return group;
}

static state_name stream_path(const broker *b, const char *machine_id, const char *id) {
    char file[32];
    snprintf(file, sizeof file, "streams/%s.sock", id);
    return machine_file(b, machine_id, file);
}

// The namespace is the first process's, which has been there from the beginning: what a learner makes inside of it has
// ports of its own.
static int enter_network(const dialling *d, bh_error *err) {
    if (d->pid == 0)
        return 0;
    cleanup_fd int network = process_open_file(d->pid, "ns/net", O_RDONLY, err);
    if (network < 0)
        return -1;
    // Looked at after it was opened: the process that has this pid now had it then.
    if (process_start_time(d->pid) != d->start_time)
        return bh_fail(err, ESRCH, "the container has ended");
    return setns(network, CLONE_NEWNET) < 0 ? bh_fail(err, errno, "cannot enter the network of %s", d->name) : 0;
}

// Negative, and errno says why. The socket stays non-blocking.
static int connect_to(const struct sockaddr *address, socklen_t size) {
    cleanup_fd int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, address, size) < 0) {
        struct pollfd answered = {fd, POLLOUT, 0};
        int code = errno == EINPROGRESS ? 0 : errno;
        socklen_t length = sizeof code;
        if (code == 0 && poll(&answered, 1, CONNECT_LIMIT_MS) == 0)
            code = ETIMEDOUT;
        if (code == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) < 0)
            code = errno;
        if (code != 0) {
            errno = code;
            return -1;
        }
    }
    // Frames come as they are typed, not as they fill a segment.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return take_fd(&fd);
}

// Programs listen on either, and few on both.
static int connect_loopback(const dialling *d, bh_error *err) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)d->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = connect_to((struct sockaddr *)&v4, sizeof v4), code = errno;
    if (fd < 0 && code == ECONNREFUSED) {
        fd = connect_to((struct sockaddr *)&v6, sizeof v6);
        code = fd < 0 && errno != ECONNREFUSED && errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT ? errno : code;
    }
    if (fd >= 0)
        return fd;
    if (code == ECONNREFUSED)
        bh_fail(err, 0, "nothing listens on port %d of %s, neither on 127.0.0.1 nor on ::1", d->port, d->name);
    else if (code == ETIMEDOUT)
        bh_fail(err, 0, "port %d of %s does not answer: what listens there accepts nothing", d->port, d->name);
    else
        bh_fail(err, code, "cannot connect to port %d of %s", d->port, d->name);
    err->code = code;
    return -1;
}

static int listen_for_claim(const dialling *d, const state_name *path, bh_error *err) {
    const broker *b = d->request->broker;
    state_name folder = machine_file(b, d->request->machine, "streams");
    if (mkdir(folder.text, 0710) < 0 && errno != EEXIST)
        return bh_fail(err, errno, "cannot make %s", folder.text);
    cleanup_fd int listener = chown(folder.text, 0, b->config.server_gid) < 0
                                  ? bh_fail(err, errno, "cannot give %s to its group", folder.text)
                                  : listener_open(path->text, err);
    if (listener < 0)
        return -1;
    if (chown(path->text, b->config.server_uid, b->config.server_gid) < 0)
        return bh_fail(err, errno, "cannot give %s to the server", path->text);
    return take_fd(&listener);
}

// The rest of the process's life: one connection for one claimant. As root until that has come, for the socket's name
// is root's to remove.
static _Noreturn void serve(int listener, int connection, const state_name *path, uid_t service_id) {
    bh_error err;
    struct pollfd claimed = {listener, POLLIN, 0};
    cleanup_fd int peer =
        poll(&claimed, 1, CLAIM_LIMIT_MS) > 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
    unlink(path->text);
    close(listener);
    loop *l = peer < 0 ? NULL : loop_new(&err);
    if (!l || confine(service_id, service_id, &err) < 0)
        _exit(1);
    _exit(relay_run(l, peer, connection, &err) < 0);
}

// In the relay. `ready` is told that it is where it belongs, or closed.
static _Noreturn void become_relay(const dialling *d, int listener, int connection, int ready) {
    enum { READY = 4, CONNECTION, LISTENER, KEPT };
    state_name path = stream_path(d->request->broker, d->request->machine, d->id);
    bh_error err;
    prctl(PR_SET_NAME, "relay");
    // Not the pipe on which the broker waits for the job's end, nor its standard error: whoever reads that would wait
    // for every connection to end. By way of numbers that are surely none of these.
    ready = fcntl(ready, F_DUPFD_CLOEXEC, KEPT);
    connection = fcntl(connection, F_DUPFD_CLOEXEC, KEPT);
    listener = fcntl(listener, F_DUPFD_CLOEXEC, KEPT);
    if (dup3(ready, READY, O_CLOEXEC) < 0 || dup3(connection, CONNECTION, O_CLOEXEC) < 0 ||
        dup3(listener, LISTENER, O_CLOEXEC) < 0 || dup2(0, 1) < 0 || dup2(0, 2) < 0)
        _exit(1);
    close(READY - 1);
    close_range(KEPT, ~0U, 0);
    // What it takes to carry a machine's bytes is charged to the machine, and ends with it.
    if (cgroup_join_self(d->group.text, &err) < 0 || write(READY, "", 1) != 1)
        _exit(1);
    close(READY);
    serve(LISTENER, CONNECTION, &path, d->service_id);
}

// Not the job itself: that dies with the broker, and is waited for.
static int start_relay(const dialling *d, int listener, int connection, bh_error *err) {
    int ends[2];
    char ready;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot make a pipe for a relay");
    pid_t pid = fork();
    int code = errno;
    if (pid == 0)
        become_relay(d, listener, connection, ends[1]);
    close(ends[1]);
    cleanup_fd int told = ends[0];
    if (pid < 0)
        return bh_fail(err, code, "cannot carry a connection to %s", d->name);
    return read(told, &ready, 1) == 1 ? 0 : bh_fail(err, 0, "cannot carry a connection to %s: it has ended", d->name);
}

static int dial_body(void *argument, json_t **result, bh_error *err) {
    const dialling *d = argument;
    if (enter_network(d, err) < 0)
        return -1;
    state_name path = stream_path(d->request->broker, d->request->machine, d->id);
    cleanup_fd int connection = connect_loopback(d, err);
    cleanup_fd int listener = connection < 0 ? -1 : listen_for_claim(d, &path, err);
    if (listener < 0)
        return -1;
    if (start_relay(d, listener, connection, err) < 0) {
        unlink(path.text);
        return -1;
    }
    *result = json_pack("{s:s}", "stream", d->id);
    return 0;
}

// Over a link there are no sockets to connect to.
static void answer_with_channel(request *r, const char *id) {
    bh_error err;
    state_name path = stream_path(r->broker, r->machine, id);
    int fd = fd_connect(path.text, &err);
    int channel = fd < 0 ? -1 : r->client->open_channel(r->client, fd, &err);
    if (channel < 0)
        request_fail(r, &err);
    else
        request_answer(r, json_pack("{s:i}", "channel", channel));
}

static void dial_done(void *argument, json_t *result, const bh_error *err) {
    dialling *d = argument;
    request *r = d->request;
    machine *m = broker_find(r->broker, r->machine);
    m->opening--;
    if (result && r->client && r->client->open_channel)
        answer_with_channel(r, d->id);
    else if (result)
        request_answer(r, json_incref(result));
    else if (err->code == ECONNREFUSED || err->code == ETIMEDOUT)
        request_refuse(r, err->code == ETIMEDOUT ? "timeout" : "not_found", "port", "%s", err->message);
    else
        request_fail(r, err);
    free(d);
    if (m->opening == 0 && !machine_restart_if_wanted(m))
        machine_delete_if_wanted(m);
}

// Those that a broker before this one began are counted too.
static size_t count_streams(const request *r, const char *group) {
    cleanup_free pid_t *pids = NULL;
    bh_error none;
    int count = cgroup_read_pids(group, &pids, &none);
    size_t being_made = 0;
    for (const request *other = r->broker->requests; other; other = other->next)
        being_made += other != r && other->method == r->method && strcmp(other->machine, r->machine) == 0;
    return (count > 0 ? (size_t)count : 0) + being_made;
}

static int name_stream(char id[STREAM_ID_LENGTH + 1]) {
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char random[STREAM_ID_LENGTH];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return -1;
    for (size_t i = 0; i < sizeof random; i++)
        id[i] = alphabet[random[i] % 32];
    return 0;
}

void dial(request *r) {
    machine *m = request_machine_to_enter(r);
    if (!m)
        return;
    state_name group = streams_group(r->broker, m);
    if (count_streams(r, group.text) >= STREAMS_PER_MACHINE) {
        request_refuse(r, "limit", NULL, "machine %s has %d connections already; close one first", m->id,
                       STREAMS_PER_MACHINE);
        return;
    }
    dialling *d = calloc(1, sizeof *d);
    bh_error err;
    if (!d || name_stream(d->id) < 0) {
        bh_fail(&err, ENOMEM, "cannot connect to a port of %s", m->hostname);
    } else {
        d->request = r;
        d->pid = machine_is_self(m) ? 0 : m->pid;
        d->start_time = m->start_time;
        d->service_id = slot_service_id(r->broker->config.id_base, m->slot);
        d->port = (int)params_integer(r->params, "port", 0);
        d->group = group;
        snprintf(d->name, sizeof d->name, "%s", m->hostname);
        // Made here and not in the job: a deletion that begins now is to find it.
        if (cgroup_create(group.text, &CGROUP_NO_LIMITS, &err) == 0 &&
            job_start(r->broker->loop, dial_body, dial_done, d, &err) == 0) {
            m->opening++; // it cannot be deleted before that is done
            return;
        }
    }
    free(d);
    request_fail(r, &err);
}
