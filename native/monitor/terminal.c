// One terminal: see terminal.h. Every event ends in `settle`, which brings everything that follows from it about: the
// size in force, input to the pty, output to the viewers, and what is to be waited for next.
#include "monitor/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_AT_ONCE = 65536,    // output taken in one go before viewers are served: few, large frames
    WRITE_AT_ONCE = 4096,    // input of one viewer before it is the next one's turn
    ORPHANS_MAX = 65536,     // input kept of viewers that left
    REOPEN_MS = 100,         // how often a pty that nobody has open is looked at again
    KEEP_AT_ONCE = 4096,     // output that falls out of the ring in one go, as much as a pty hands over at once
    LAST_WORDS_MAX = 262144, // output taken after the program's end; the kernel holds less than this
};

struct terminal {
    loop *l;
    loop_source pty;
    uint32_t pty_events; // watched for; 0: not watched
    loop_timer look_again;
    terminal_output output;
    past past;
    viewer *viewers;
    viewer *last_typist; // whose input was written last; the next one's turn it is
    byte_queue orphans;  // input of viewers that left before the program took it
    bool input_blocked;  // the pty takes no more until it is writable
    bool nobody_has_it;  // the other side is closed: reading fails until it is opened again
    bool program_exited;
    size_t last_words;
    void (*ended)(void *context, uint8_t kind, int32_t status);
    void *context;
};

#define CONTAINER(pointer, type, field) ((type *)((char *)(pointer) - offsetof(type, field)))

// --- Size ---

static void set_pty_size(terminal *t) {
    struct winsize size = {.ws_col = t->output.size.columns, .ws_row = t->output.size.rows};
    ioctl(t->pty.fd, TIOCSWINSZ, &size); // sends SIGWINCH; there is nobody to tell when it fails
}

static void settle_size(terminal *t) {
    frame_size size = viewers_smallest_wish(t->viewers, t->output.size);
    if (size.columns == t->output.size.columns && size.rows == t->output.size.rows)
        return;
    t->output.size = size;
    past_note_size(&t->past, t->output.ring.head, size);
    if (!t->output.ended)
        set_pty_size(t);
    for (viewer *v = t->viewers; v; v = v->next)
        v->owes_size = !v->owes_welcome; // WELCOME says it too
}

// --- Input ---

// Whose turn it is: the first one after the last typist that has typed something, round and round, so that a long paste
// does not keep another's Ctrl-C waiting.
static viewer *next_typist(const terminal *t) {
    viewer *from = t->last_typist && t->last_typist->next ? t->last_typist->next : t->viewers;
    for (viewer *v = from; v; v = v->next)
        if (v->input.length > 0)
            return v;
    for (viewer *v = t->viewers; v != from; v = v->next)
        if (v->input.length > 0)
            return v;
    return NULL;
}

static void settle_input(terminal *t) {
    while (!t->input_blocked) {
        viewer *v = t->orphans.length > 0 ? NULL : next_typist(t);
        byte_queue *queue = v ? &v->input : &t->orphans;
        if (queue->length == 0)
            return;
        ssize_t taken = 0;
        size_t length = queue->length < WRITE_AT_ONCE ? queue->length : WRITE_AT_ONCE;
        if (t->output.ended) {
            taken = (ssize_t)length; // nobody reads it any more
        } else {
            taken = write(t->pty.fd, byte_queue_front(queue), length);
            if (taken < 0 && errno == EINTR)
                continue;
            if (taken == 0 || (taken < 0 && errno == EAGAIN)) {
                t->input_blocked = true;
                return;
            }
            if (taken < 0) // EIO: no program has the terminal open
                taken = (ssize_t)length;
        }
        if (v)
            viewer_input_taken(v, (size_t)taken);
        else
            byte_queue_consume(queue, (size_t)taken);
        t->last_typist = v;
    }
}

// --- Output ---

// How long the pty waits for `v`.
static uint64_t patience_with(const terminal *t, const viewer *v, uint64_t now) {
    for (const viewer *other = t->viewers; other; other = other->next)
        if (other != v && viewer_keeps_up(other, now, VIEWER_PATIENCE_MS))
            return VIEWER_PATIENCE_MS;
    return VIEWER_LONE_PATIENCE_MS;
}

// How many bytes may be read from the pty now: none while a viewer that keeps up is a whole ring behind. Then *retry_ms
// is when the first such viewer's patience ends.
static size_t room(const terminal *t, uint64_t now, uint64_t *retry_ms) {
    const ring *r = &t->output.ring;
    size_t least = r->capacity;
    *retry_ms = VIEWER_PATIENCE_MS;
    for (const viewer *v = t->viewers; v; v = v->next) {
        uint64_t patience = patience_with(t, v, now);
        if (!viewer_keeps_up(v, now, patience) || v->offset < ring_tail(r))
            continue;
        size_t free_for_it = r->capacity - (size_t)(r->head - v->offset);
        uint64_t left = v->progress_ms + patience - now;
        if (free_for_it == 0 && left < *retry_ms)
            *retry_ms = left;
        if (free_for_it < least)
            least = free_for_it;
    }
    return least;
}

static void finish(terminal *t) {
    if (t->pty_events != 0)
        loop_remove(t->l, &t->pty);
    t->pty_events = 0;
    // Hangs up whatever is still on the terminal, as closing a terminal's window does.
    close(t->pty.fd);
    t->pty.fd = -1;
    t->output.ended = true;
    t->ended(t->context, t->output.kind, t->output.status);
}

// Takes what the program has printed, as much as the viewers' pace allows, but no more than one go.
static void read_output(terminal *t) {
    ring *r = &t->output.ring;
    for (size_t got = 0; (got < READ_AT_ONCE || t->program_exited) && !t->output.ended;) {
        uint64_t now = loop_now_ms(), retry_ms;
        size_t wanted = room(t, now, &retry_ms), contiguous;
        uint8_t *place = ring_room(r, &contiguous);
        if (wanted == 0)
            return;
        if (wanted > contiguous)
            wanted = contiguous;
        if (r->head + wanted > r->capacity) {
            // What this is read over is kept as what it did to the screen.
            if (wanted > KEEP_AT_ONCE)
                wanted = KEEP_AT_ONCE;
            past_take(&t->past, r, r->head + wanted - r->capacity);
        }

        ssize_t length = read(t->pty.fd, place, wanted);
        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0) {
            // EIO: every program has closed the terminal. It may be opened again, unless ours has ended.
            t->nobody_has_it = length == 0 || errno != EAGAIN;
            // The kernel has handed over everything written before the program's end when it says EAGAIN.
            if (t->program_exited)
                finish(t);
            return;
        }
        for (viewer *v = t->viewers; v; v = v->next)
            if (v->offset == r->head)
                v->progress_ms = now; // it was not behind until now
        ring_advance(r, (size_t)length);
        got += (size_t)length;
        // A program left behind in the background must not keep the terminal alive by printing for ever.
        if (t->program_exited && (t->last_words += (size_t)length) > LAST_WORDS_MAX)
            finish(t);
    }
}

// --- Viewers ---

static void forget_viewer(terminal *t, viewer *v) {
    viewer **place = &t->viewers;
    while (*place != v)
        place = &(*place)->next;
    *place = v->next;
    if (t->last_typist == v)
        t->last_typist = NULL;

    // What it typed counts even if it has left; but a viewer that comes and goes must not fill the memory.
    bh_error err;
    if (t->orphans.length + v->input.length <= ORPHANS_MAX)
        byte_queue_append(&t->orphans, byte_queue_front(&v->input), v->input.length, &err);
    loop_remove(t->l, &v->source);
    viewer_free(v);
}

static void settle_viewers(terminal *t) {
    for (viewer *v = t->viewers, *next; v; v = next) {
        next = v->next;
        bool was_blocked = v->blocked;
        bh_error err;
        if (viewer_send(v, &err) < 0 ||
            (v->blocked != was_blocked &&
             loop_modify(t->l, &v->source, EPOLLIN | (v->blocked ? EPOLLOUT : 0U), &err) < 0))
            forget_viewer(t, v);
    }
}

// --- What to wait for ---

static void watch_pty(terminal *t, uint32_t events) {
    bh_error err;
    // A source with no events would still report EPOLLHUP, for ever; so it is not watched at all then.
    if (events == t->pty_events)
        return;
    if (events == 0)
        loop_remove(t->l, &t->pty);
    else if (t->pty_events == 0)
        loop_add(t->l, &t->pty, events, &err);
    else
        loop_modify(t->l, &t->pty, events, &err);
    t->pty_events = events;
}

static void settle(terminal *t) {
    // The last words may have had to wait for a viewer, and no event of the pty's follows them.
    if (t->program_exited && !t->output.ended)
        read_output(t);
    settle_input(t);
    settle_size(t);
    settle_viewers(t);
    // A viewer that was just freed may have had a wish, or been the one that was waited for.
    settle_size(t);
    if (t->output.ended)
        return;

    uint64_t retry_ms = REOPEN_MS;
    bool reads = !t->nobody_has_it && room(t, loop_now_ms(), &retry_ms) > 0;
    watch_pty(t, (reads ? EPOLLIN : 0U) | (t->input_blocked ? EPOLLOUT : 0U));
    if (!reads && t->look_again.deadline_ms == 0)
        loop_timer_start(t->l, &t->look_again, retry_ms);
}

static void pty_ready(loop_source *source, uint32_t events) {
    terminal *t = CONTAINER(source, terminal, pty);
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        t->input_blocked = false;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_output(t);
    settle(t);
}

static void look_again(loop_timer *timer) {
    terminal *t = CONTAINER(timer, terminal, look_again);
    t->nobody_has_it = false;
    if (!t->output.ended)
        read_output(t);
    settle(t);
}

static terminal *owner_of(viewer *v) {
    return CONTAINER(v->output, terminal, output);
}

static void viewer_ready(loop_source *source, uint32_t events) {
    viewer *v = CONTAINER(source, viewer, source);
    terminal *t = owner_of(v);
    bh_error err;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && viewer_receive(v, &err) < 0)
        forget_viewer(t, v);
    settle(t);
}

void terminal_continue(terminal *t, uint64_t offset, const uint8_t *bytes, size_t length) {
    ring_continue(&t->output.ring, offset, bytes, length);
}

// Programs and whoever else has the pty can have changed it (stty(1), the broker's first_shell.c).
static void read_pty_size(terminal *t) {
    struct winsize size;
    if (!t->output.ended && ioctl(t->pty.fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
        t->output.size = (frame_size){.columns = size.ws_col, .rows = size.ws_row};
}

void terminal_add_viewer(terminal *t, int fd) {
    int count = 0;
    for (viewer *v = t->viewers; v; v = v->next)
        count++;
    if (count >= TERMINAL_VIEWERS_MAX) {
        close(fd);
        return;
    }
    viewer *v = viewer_new(fd, &t->output);
    if (!v)
        return;
    bh_error err;
    v->source.ready = viewer_ready;
    if (loop_add(t->l, &v->source, EPOLLIN, &err) < 0) {
        viewer_free(v);
        return;
    }
    if (!t->viewers)
        read_pty_size(t);
    v->next = t->viewers;
    t->viewers = v;
}

void terminal_program_exited(terminal *t, int wait_status) {
    t->program_exited = true;
    t->output.kind = WIFSIGNALED(wait_status) ? FRAME_KILLED : FRAME_EXITED;
    t->output.status = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    settle(t);
}

terminal *terminal_new(loop *l, int master, frame_size size, size_t ring_bytes,
                       void (*ended)(void *context, uint8_t kind, int32_t status), void *context, bh_error *err) {
    terminal *t = calloc(1, sizeof *t);
    if (!t || ring_open(&t->output.ring, ring_bytes, err) < 0) {
        if (!t)
            bh_fail(err, ENOMEM, "cannot make a terminal");
        free(t);
        close(master);
        return NULL;
    }
    t->l = l;
    t->pty = (loop_source){master, pty_ready};
    t->look_again.fire = look_again;
    t->output.size = size;
    t->output.past = &t->past;
    past_note_size(&t->past, 0, size);
    t->ended = ended;
    t->context = context;
    set_pty_size(t);
    int flags = fcntl(master, F_GETFL);
    if (flags < 0 || fcntl(master, F_SETFL, flags | O_NONBLOCK) < 0 || loop_add(l, &t->pty, EPOLLIN, err) < 0) {
        bh_fail(err, errno, "cannot watch the pty's master");
        terminal_free(t);
        return NULL;
    }
    t->pty_events = EPOLLIN;
    return t;
}

void terminal_free(terminal *t) {
    while (t->viewers)
        forget_viewer(t, t->viewers);
    loop_timer_stop(t->l, &t->look_again);
    if (t->pty_events != 0)
        loop_remove(t->l, &t->pty);
    if (t->pty.fd >= 0)
        close(t->pty.fd);
    byte_queue_clear(&t->orphans);
    ring_close(&t->output.ring);
    past_close(&t->past);
    free(t);
}
