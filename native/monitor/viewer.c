// One viewer: see viewer.h and docs/protocol.md, "Attach protocol".
#include "monitor/viewer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE_SIZE = 16384 };

viewer *viewer_new(int fd, const terminal_output *output) {
    viewer *v = calloc(1, sizeof *v);
    if (!v) {
        close(fd);
        return NULL;
    }
    v->source.fd = fd;
    v->output = output;
    return v;
}

void viewer_free(viewer *v) {
    close(v->source.fd);
    frame_reader_clear(&v->reader);
    byte_queue_clear(&v->input);
    byte_queue_clear(&v->out);
    free(v);
}

// --- What the viewer says ---

static int take_role(viewer *v, const frame *f, bh_error *err) {
    if (f->opcode != FRAME_ROLE || f->role > FRAME_MAY_WATCH)
        return bh_fail(err, 0, "a viewer's first frame must be its ROLE");
    v->may_type = f->role == FRAME_MAY_TYPE;
    v->state = VIEWER_WITH_ROLE;
    return 0;
}

// Half a size is no wish: programs divide by both.
static void take_wish(viewer *v, frame_size wish) {
    v->wish = wish.columns > 0 && wish.rows > 0 ? wish : (frame_size){0, 0};
}

// Its next byte is no longer here (or never was): it starts again from what there is.
static void start_over(viewer *v) {
    v->offset = ring_tail(&v->output->ring); // WELCOME will say where, for more may be printed until then
    v->owes_welcome = v->lost = true;
}

static int take_attach(viewer *v, const frame *f, bh_error *err) {
    if (f->opcode != FRAME_ATTACH)
        return bh_fail(err, 0, "a viewer's second frame must be ATTACH");
    if (f->attach.version != FRAME_VERSION)
        return bh_fail(err, 0, "attach protocol version %d is not spoken here, %d is", f->attach.version,
                       FRAME_VERSION);
    v->state = VIEWER_ATTACHED;
    v->offset = f->attach.offset;
    v->credit = f->attach.credit;
    v->progress_ms = loop_now_ms();
    v->owes_welcome = true;
    if (v->offset < ring_tail(&v->output->ring) || v->offset > v->output->ring.head)
        start_over(v);
    // One that only watches has no input credit; so whatever it types is more than it was granted.
    v->input_credit_owed = v->may_type ? VIEWER_INPUT_CREDIT : 0;
    take_wish(v, f->attach.size);
    return 0;
}

static int take_input(viewer *v, const frame *f, bh_error *err) {
    if (f->input.length > v->input_credit)
        return bh_fail(err, 0, "a viewer typed more than it was granted");
    v->input_credit -= (uint32_t)f->input.length;
    return byte_queue_append(&v->input, f->input.bytes, f->input.length, err);
}

static int take_frame(void *context, const frame *f, bh_error *err) {
    viewer *v = context;
    switch (v->state) {
    case VIEWER_WITHOUT_ROLE:
        return take_role(v, f, err);
    case VIEWER_WITH_ROLE:
        return take_attach(v, f, err);
    case VIEWER_FINISHED:
        return 0; // it had not read our EXIT when it said this
    case VIEWER_ATTACHED:
        break;
    }
    switch (f->opcode) {
    case FRAME_INPUT:
        return take_input(v, f, err);
    case FRAME_RESIZE:
        take_wish(v, f->size);
        return 0;
    case FRAME_VIEWER_CREDIT:
        v->credit += f->credit;
        v->progress_ms = loop_now_ms();
        return 0;
    default:
        return bh_fail(err, 0, "a viewer may not send a frame with opcode 0x%02x here", f->opcode);
    }
}

int viewer_receive(viewer *v, bh_error *err) {
    uint8_t bytes[RECEIVE_SIZE];
    ssize_t length = recv(v->source.fd, bytes, sizeof bytes, 0);
    if (length < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : bh_fail(err, errno, "cannot read from a viewer");
    if (length == 0)
        return bh_fail(err, 0, "the viewer is gone");
    return frame_reader_feed(&v->reader, bytes, (size_t)length, take_frame, v, err);
}

// --- What the viewer is told ---

static int queue_frame(viewer *v, const frame *f, bh_error *err) {
    uint8_t bytes[FRAME_SMALL];
    return byte_queue_append(&v->out, bytes, frame_write(f, bytes, sizeof bytes), err);
}

// Draws what was on the screen before the first byte that follows.
static int queue_snapshot(viewer *v, bh_error *err) {
    byte_queue drawing = {0};
    int result = past_draw(v->output->past, &drawing, err);
    while (result >= 0 && drawing.length > 0) {
        uint8_t head[FRAME_LENGTH_SIZE + 1];
        size_t length = drawing.length < FRAME_SNAPSHOT_MAX ? drawing.length : FRAME_SNAPSHOT_MAX;
        frame_write_snapshot_head(length, head);
        result = byte_queue_append(&v->out, head, sizeof head, err);
        if (result >= 0)
            result = byte_queue_append(&v->out, byte_queue_front(&drawing), length, err);
        byte_queue_consume(&drawing, length);
    }
    byte_queue_clear(&drawing);
    return result;
}

// WELCOME also grants input credit: all of it the first time, and later what is owed just then.
static int queue_welcome(viewer *v, bh_error *err) {
    const terminal_output *output = v->output;
    const bool lost = v->lost;
    if (lost)
        v->offset = past_rest(output->past, &output->ring);
    frame f = {.opcode = FRAME_WELCOME,
               .welcome = {.version = FRAME_VERSION,
                           .flags = lost ? FRAME_OUTPUT_LOST : 0,
                           .start = v->offset,
                           .live = output->ring.head,
                           .size = output->size,
                           .credit = v->input_credit_owed}};
    v->input_credit += v->input_credit_owed;
    v->input_credit_owed = 0;
    v->owes_welcome = v->owes_size = v->lost = false;
    if (queue_frame(v, &f, err) < 0)
        return -1;
    return lost ? queue_snapshot(v, err) : 0;
}

static int queue_size(viewer *v, bh_error *err) {
    frame f = {.opcode = FRAME_SIZE, .size = v->output->size};
    v->owes_size = false;
    return queue_frame(v, &f, err);
}

static int queue_credit(viewer *v, bh_error *err) {
    frame f = {.opcode = FRAME_MONITOR_CREDIT, .credit = v->input_credit_owed};
    v->input_credit += v->input_credit_owed;
    v->input_credit_owed = 0;
    return queue_frame(v, &f, err);
}

static int queue_exit(viewer *v, bh_error *err) {
    frame f = {.opcode = FRAME_EXIT, .exit = {.kind = v->output->kind, .status = v->output->status}};
    v->state = VIEWER_FINISHED;
    return queue_frame(v, &f, err);
}

// Sends one OUTPUT frame straight from the ring. What the socket does not take is copied: it must follow before any
// other frame, and the ring may have moved on by then.
static int send_output(viewer *v, size_t length, bh_error *err) {
    uint8_t head[FRAME_OUTPUT_HEAD];
    frame_write_output_head(v->offset, length, head);
    struct iovec pieces[3] = {{head, sizeof head}};
    int count = 1 + ring_slices(&v->output->ring, v->offset, length, pieces + 1);
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};

    ssize_t sent = sendmsg(v->source.fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return errno == EINTR ? 0 : bh_fail(err, errno, "cannot write to a viewer");
    if (sent < 0) {
        v->blocked = true;
        return 0;
    }
    v->offset += length;
    v->credit -= length;
    size_t done = (size_t)sent;
    for (int i = 0; i < count; i++) {
        size_t skip = done < pieces[i].iov_len ? done : pieces[i].iov_len;
        done -= skip;
        if (byte_queue_append(&v->out, (uint8_t *)pieces[i].iov_base + skip, pieces[i].iov_len - skip, err) < 0)
            return -1;
    }
    return 0;
}

static int send_queued(viewer *v, bh_error *err) {
    ssize_t sent = send(v->source.fd, byte_queue_front(&v->out), v->out.length, MSG_NOSIGNAL);
    if (sent >= 0)
        byte_queue_consume(&v->out, (size_t)sent);
    else if (errno == EAGAIN)
        v->blocked = true;
    else if (errno != EINTR)
        return bh_fail(err, errno, "cannot write to a viewer");
    return 0;
}

// Whether there is something that may be sent, one frame of which is then sent or queued.
static int send_next(viewer *v, bool *idle, bh_error *err) {
    const ring *r = &v->output->ring;
    if (v->out.length > 0)
        return send_queued(v, err);
    if (v->owes_welcome)
        return queue_welcome(v, err);
    if (v->state == VIEWER_ATTACHED) {
        if (v->owes_size)
            return queue_size(v, err);
        // A quarter at a time, or every key press would be answered with a CREDIT.
        if (v->input_credit_owed >= VIEWER_INPUT_CREDIT / 4)
            return queue_credit(v, err);
        if (v->offset == r->head && v->output->ended)
            return queue_exit(v, err);
        if (v->offset < r->head && v->credit > 0) {
            if (v->offset < ring_tail(r)) {
                start_over(v);
                return 0;
            }
            uint64_t length = r->head - v->offset < v->credit ? r->head - v->offset : v->credit;
            return send_output(v, length < FRAME_OUTPUT_MAX ? (size_t)length : FRAME_OUTPUT_MAX, err);
        }
    } else if (v->state == VIEWER_FINISHED) {
        // Closing while it still types would make its system throw away the EXIT that it has not read.
        shutdown(v->source.fd, SHUT_WR);
    }
    *idle = true;
    return 0;
}

int viewer_send(viewer *v, bh_error *err) {
    bool idle = false;
    v->blocked = false;
    while (!idle && !v->blocked)
        if (send_next(v, &idle, err) < 0)
            return -1;
    return 0;
}

// --- What the terminal asks ---

bool viewer_keeps_up(const viewer *v, uint64_t now_ms, uint64_t patience_ms) {
    // One that has been sent everything has nothing to answer to, however long ago that was.
    bool behind = v->offset < v->output->ring.head;
    return v->state == VIEWER_ATTACHED && (!behind || now_ms - v->progress_ms < patience_ms);
}

void viewer_input_taken(viewer *v, size_t length) {
    byte_queue_consume(&v->input, length);
    v->input_credit_owed += (uint32_t)length;
}

frame_size viewers_smallest_wish(const viewer *first, frame_size current) {
    frame_size smallest = {0, 0};
    for (const viewer *v = first; v; v = v->next) {
        if (!v->may_type || v->state != VIEWER_ATTACHED || v->wish.columns == 0)
            continue;
        if (smallest.columns == 0 || v->wish.columns < smallest.columns)
            smallest.columns = v->wish.columns;
        if (smallest.rows == 0 || v->wish.rows < smallest.rows)
            smallest.rows = v->wish.rows;
    }
    return smallest.columns > 0 ? smallest : current;
}
