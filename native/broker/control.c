// The control socket: see control.h.
#include "broker/control.h"

#include "base/byte_queue.h"
#include "base/cleanup.h"
#include "broker/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LINE_MAX_BYTES ((size_t)1024 * 1024)
// A peer that lets this much wait does not read: it is disconnected rather than waited for.
#define WAITING_MAX ((size_t)8 * 1024 * 1024)
#define CONNECTIONS_MAX 64
#define REFUSED_PATIENCE_MS 1000

typedef struct connection {
    client client;
    control *control;
    loop_source source;
    byte_queue in, out;
    bool broken;         // shut down; freed when epoll says so
    bool refused;        // has been told why; what it still sends is dropped until it goes
    loop_timer patience; // for a refused peer
    struct connection *next;
} connection;

struct control {
    broker *broker;
    loop *loop;
    loop_source source;
    connection *connections;
    int count;
    char path[108];
};

static void connection_free(connection *c) {
    for (connection **at = &c->control->connections; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    c->control->count--;
    broker_remove_client(c->control->broker, &c->client);
    loop_timer_stop(c->control->loop, &c->patience);
    loop_remove(c->control->loop, &c->source);
    close(c->source.fd);
    byte_queue_clear(&c->in);
    byte_queue_clear(&c->out);
    free(c);
}

// Freed later, from the loop: the caller may be walking the broker's list of clients. shutdown makes epoll report the
// connection.
static void break_off(connection *c, const char *why) {
    if (c->broken)
        return;
    c->broken = true;
    log_info("control connection closed: %s", why);
    shutdown(c->source.fd, SHUT_RDWR);
}

static void flush(connection *c) {
    bh_error err;
    while (c->out.length > 0 && !c->broken) {
        ssize_t put = send(c->source.fd, byte_queue_front(&c->out), c->out.length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno != EAGAIN)
            break_off(c, "the peer has gone");
        if (put < 0)
            break;
        byte_queue_consume(&c->out, (size_t)put);
    }
    uint32_t events = c->out.length > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (loop_modify(c->control->loop, &c->source, events, &err) < 0)
        break_off(c, err.message);
}

static void send_line(client *peer, const char *line, size_t length) {
    connection *c = (connection *)((char *)peer - offsetof(connection, client));
    bh_error err;
    if (c->broken || c->refused)
        return;
    if (c->out.length + length > WAITING_MAX) {
        break_off(c, "the peer does not read its answers");
        return;
    }
    bool waiting = c->out.length > 0; // then epoll says when there is room again
    if (byte_queue_append(&c->out, line, length, &err) < 0 || byte_queue_append(&c->out, "\n", 1, &err) < 0) {
        break_off(c, err.message);
        return;
    }
    if (!waiting)
        flush(c);
}

static void patience_is_over(loop_timer *timer) {
    break_off((connection *)((char *)timer - offsetof(connection, patience)), "it was refused");
}

// The peer may be writing at this moment, and would get EPIPE before it read why: only our direction is closed at
// first.
static void refuse(connection *c, const char *code, const char *message) {
    char line[256];
    int length =
        snprintf(line, sizeof line, "{\"id\":null,\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, message);
    send_line(&c->client, line, (size_t)length);
    shutdown(c->source.fd, SHUT_WR);
    c->refused = true;
    byte_queue_clear(&c->in);
    loop_timer_start(c->control->loop, &c->patience, REFUSED_PATIENCE_MS);
}

// Hands every whole line to the broker, then keeps the rest.
static void take_lines(connection *c) {
    while (!c->broken && !c->refused && c->in.length > 0) {
        const char *text = (const char *)byte_queue_front(&c->in);
        const char *end = memchr(text, '\n', c->in.length);
        size_t length = end ? (size_t)(end - text) : c->in.length;
        if (length > LINE_MAX_BYTES)
            refuse(c, "bad_request", "a line is at most 1 MiB");
        if (length > LINE_MAX_BYTES || !end)
            return;
        // Copied, since a handler that sends may not touch `in`, but a reader of this should not have to know that.
        broker_handle_line(c->control->broker, &c->client, text, length);
        byte_queue_consume(&c->in, length + 1);
    }
}

static void connection_ready(loop_source *source, uint32_t events) {
    connection *c = (connection *)((char *)source - offsetof(connection, source));
    if (c->broken) {
        connection_free(c);
        return;
    }
    if (events & EPOLLOUT)
        flush(c);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    char chunk[65536];
    bh_error err;
    ssize_t got = recv(source->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        connection_free(c);
        return;
    }
    if (!c->refused && byte_queue_append(&c->in, chunk, (size_t)got, &err) < 0) {
        break_off(c, err.message);
        return;
    }
    take_lines(c);
}

static bool may_speak(const control *owner, int fd, struct ucred *peer) {
    socklen_t size = sizeof *peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size) < 0)
        return false;
    return peer->uid == 0 || peer->uid == broker_settings(owner->broker)->server_uid;
}

static void accept_ready(loop_source *source, uint32_t events) {
    (void)events;
    control *owner = (control *)((char *)source - offsetof(control, source));
    cleanup_fd int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    connection *c = calloc(1, sizeof *c);
    bh_error err;
    if (!c)
        return;
    c->control = owner;
    c->client.send = send_line;
    c->patience.fire = patience_is_over;
    c->source = (loop_source){fd, connection_ready};
    if (loop_add(owner->loop, &c->source, EPOLLIN, &err) < 0) {
        log_error("%s", err.message);
        free(c);
        return;
    }
    take_fd(&fd);
    c->next = owner->connections;
    owner->connections = c;
    owner->count++;
    struct ucred peer = {0};
    if (!may_speak(owner, c->source.fd, &peer)) {
        log_error("control socket: process %d of uid %u was refused", (int)peer.pid, peer.uid);
        refuse(c, "denied", "only root and the user given with --allow-uid may speak here");
    } else if (owner->count > CONNECTIONS_MAX) {
        refuse(c, "limit", "too many control connections");
    } else {
        broker_add_client(owner->broker, &c->client);
    }
}

static int bind_socket(control *c, bh_error *err) {
    const broker_config *config = broker_settings(c->broker);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(c->path, sizeof c->path, "%s/run/control.sock", config->state_dir);
    memcpy(address.sun_path, c->path, sizeof c->path);
    int fd = c->source.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // The lock on the state directory says that whoever made this socket is gone.
    if (unlink(c->path) < 0 && errno != ENOENT)
        return bh_fail(err, errno, "cannot remove the old %s", c->path);
    // Nobody may connect between bind and chmod.
    mode_t mask = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    int code = errno;
    umask(mask);
    if (bound < 0)
        return bh_fail(err, code, "cannot make %s", c->path);
    if (chown(c->path, 0, config->server_gid) < 0 || chmod(c->path, 0660) < 0)
        return bh_fail(err, errno, "cannot give %s to group %u", c->path, config->server_gid);
    if (listen(fd, 16) < 0)
        return bh_fail(err, errno, "cannot listen on %s", c->path);
    return loop_add(c->loop, &c->source, EPOLLIN, err);
}

control *control_listen(broker *b, bh_error *err) {
    control *c = calloc(1, sizeof *c);
    if (!c) {
        bh_fail(err, ENOMEM, "cannot make the control socket");
        return NULL;
    }
    *c = (control){.broker = b, .loop = broker_loop(b), .source = {-1, accept_ready}};
    if (bind_socket(c, err) < 0) {
        control_close(c);
        return NULL;
    }
    return c;
}

void control_close(control *c) {
    while (c->connections)
        connection_free(c->connections);
    if (c->source.fd >= 0) {
        loop_remove(c->loop, &c->source);
        close(c->source.fd);
        unlink(c->path);
    }
    free(c);
}
