// One connection and its frames: see relay.h.
#include "broker/relay.h"

#include "base/byte_queue.h"
#include "base/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    CHUNK = 16384,
    // What waits for a peer that does not read its socket; credit alone would allow the whole window.
    WAITING_ENOUGH = 4 * CHUNK,
    // INPUT is granted again in pieces of this size, so that a keystroke does not cost a frame each way.
    GRANT = RELAY_WINDOW / 4,
};
// What a peer sent before it left is still given to a program that reads it.
#define LINGER_MS 5000

typedef struct end {
    loop_source source;
    uint32_t watched; // EPOLL* bits; 0: not in the loop
} end;

typedef struct relay {
    loop *loop;
    end peer, connection;
    frame_reader reader;
    byte_queue to_peer, to_connection;
    loop_timer linger;
    uint64_t sent;     // bytes of OUTPUT so far
    size_t may_send;   // bytes of OUTPUT granted and not sent
    size_t owed;       // bytes of INPUT that were passed on and not granted again
    bool ended;        // the connection: nothing comes from it any more, and EXIT has been queued
    bool deaf;         // the connection takes nothing any more
    bool told_end;     // EXIT has been sent
    bool left;         // the peer has gone
    int outcome;       // of relay_run
    bh_error *failure; // where it is told
} relay;

static void finish(relay *r) {
    loop_stop(r->loop);
}

static void fail(relay *r) {
    r->outcome = -1;
    finish(r);
}

// Nothing is watched for nothing: a hang-up is reported whatever was asked for (epoll_ctl(2)), again and again.
static void watch(relay *r, end *e, uint32_t events) {
    if (e->watched == events)
        return;
    int result = 0;
    if (events == 0)
        loop_remove(r->loop, &e->source);
    else
        result = (e->watched == 0 ? loop_add : loop_modify)(r->loop, &e->source, events, r->failure);
    e->watched = events;
    if (result < 0)
        fail(r);
}

static void watch_both(relay *r) {
    bool reads = !r->ended && !r->left && r->may_send > 0 && r->to_peer.length < WAITING_ENOUGH;
    bool writes = r->to_connection.length > 0;
    watch(r, &r->peer, r->left ? 0 : EPOLLIN | (r->to_peer.length > 0 ? EPOLLOUT : 0U));
    watch(r, &r->connection, (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U));
    // Not closed before the peer does so: what it grants meanwhile would come to nobody, and that would take from it
    // what it has not read yet.
    if (r->ended && r->to_peer.length == 0 && !r->told_end) {
        r->told_end = true;
        shutdown(r->peer.source.fd, SHUT_WR);
    }
    if (r->left && (r->ended || !writes))
        finish(r);
}

// Sends what waits, as far as it is taken. False when the other end takes nothing any more.
static bool flush(int fd, byte_queue *queue) {
    while (queue->length > 0) {
        ssize_t put = send(fd, byte_queue_front(queue), queue->length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno == EAGAIN;
        byte_queue_consume(queue, (size_t)put);
    }
    return true;
}

static void queue_frame(relay *r, const frame *f) {
    uint8_t bytes[FRAME_SMALL];
    size_t length = frame_write(f, bytes, sizeof bytes);
    if (byte_queue_append(&r->to_peer, bytes, length, r->failure) < 0)
        fail(r);
}

static void queue_output(relay *r, const uint8_t *bytes, size_t length) {
    uint8_t head[FRAME_OUTPUT_HEAD];
    frame_write_output_head(r->sent, length, head);
    if (byte_queue_append(&r->to_peer, head, sizeof head, r->failure) < 0 ||
        byte_queue_append(&r->to_peer, bytes, length, r->failure) < 0)
        fail(r);
    r->sent += length;
    r->may_send -= length;
}

// `code`: 0 at its end, or what broke it.
static void note_end(relay *r, int code) {
    if (r->ended)
        return;
    r->ended = true;
    queue_frame(r, &(frame){.opcode = FRAME_EXIT, .exit = {.kind = FRAME_EXITED, .status = code}});
}

// Input of the peer's, on its way into the machine. Once that takes nothing it is dropped, as a kernel does.
static void pass_on(relay *r) {
    size_t waited = r->to_connection.length;
    if (!r->deaf && !flush(r->connection.source.fd, &r->to_connection))
        r->deaf = true;
    if (r->deaf)
        byte_queue_consume(&r->to_connection, r->to_connection.length);
    r->owed += waited - r->to_connection.length;
    if (r->owed < GRANT || r->left)
        return;
    queue_frame(r, &(frame){.opcode = FRAME_MONITOR_CREDIT, .credit = (uint32_t)r->owed});
    r->owed = 0;
}

static int take(void *context, const frame *f, bh_error *err) {
    relay *r = context;
    switch (f->opcode) {
    case FRAME_INPUT:
        if (r->to_connection.length + r->owed + f->input.length > RELAY_WINDOW)
            return bh_fail(err, 0, "more input than was granted");
        return byte_queue_append(&r->to_connection, f->input.bytes, f->input.length, err);
    case FRAME_VIEWER_CREDIT:
        if (r->may_send + f->credit > RELAY_WINDOW)
            return bh_fail(err, 0, "more credit than the window has");
        r->may_send += f->credit;
        return 0;
    default:
        return bh_fail(err, 0, "a frame that has no place in a stream (0x%02x)", f->opcode);
    }
}

static void linger_over(loop_timer *timer) {
    finish((relay *)((char *)timer - offsetof(relay, linger)));
}

static void note_peer_left(relay *r) {
    if (r->left)
        return;
    r->left = true;
    loop_timer_start(r->loop, &r->linger, LINGER_MS);
}

static void receive_frames(relay *r) {
    uint8_t bytes[CHUNK];
    ssize_t got = recv(r->peer.source.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    // ECONNRESET is told once of a peer that left without reading all; what it sent before is still there (unix(7)).
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNRESET))
        note_peer_left(r);
    if (got > 0 && frame_reader_feed(&r->reader, bytes, (size_t)got, take, r, r->failure) < 0)
        fail(r);
}

static void receive_bytes(relay *r) {
    uint8_t bytes[CHUNK];
    size_t most = r->may_send < sizeof bytes ? r->may_send : sizeof bytes;
    ssize_t got = recv(r->connection.source.fd, bytes, most, MSG_DONTWAIT);
    if (got > 0)
        queue_output(r, bytes, (size_t)got);
    else if (got == 0)
        note_end(r, 0);
    else if (errno != EAGAIN && errno != EINTR)
        note_end(r, errno);
}

static void go_on(relay *r) {
    if (r->outcome < 0)
        return;
    pass_on(r);
    // One that takes nothing any more has gone, but what it sent may not all be here: its end is read, not written.
    if (!r->left && !flush(r->peer.source.fd, &r->to_peer))
        byte_queue_consume(&r->to_peer, r->to_peer.length);
    watch_both(r);
}

static void peer_ready(loop_source *source, uint32_t events) {
    relay *r = (relay *)((char *)source - offsetof(relay, peer.source));
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive_frames(r);
    go_on(r);
}

static void connection_ready(loop_source *source, uint32_t events) {
    relay *r = (relay *)((char *)source - offsetof(relay, connection.source));
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !r->ended && r->may_send > 0)
        receive_bytes(r);
    go_on(r);
}

int relay_run(loop *l, int peer, int connection, bh_error *err) {
    relay r = {
        .loop = l,
        .peer.source = {peer, peer_ready},
        .connection.source = {connection, connection_ready},
        .linger.fire = linger_over,
        .may_send = RELAY_WINDOW,
        .failure = err,
    };
    watch_both(&r);
    if (r.outcome == 0 && loop_run(l, err) < 0)
        r.outcome = -1;
    loop_timer_stop(l, &r.linger);
    watch(&r, &r.peer, 0);
    watch(&r, &r.connection, 0);
    frame_reader_clear(&r.reader);
    byte_queue_clear(&r.to_peer);
    byte_queue_clear(&r.to_connection);
    return r.outcome;
}
