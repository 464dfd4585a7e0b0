// The epoll loop: see loop.h.
#include "base/loop.h"

#include "base/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

enum { BATCH = 32 };

struct loop {
    int epoll_fd;
    bool stopping;
    loop_timer *timers; // soonest first

    // What epoll_wait returned and has not been delivered yet. loop_remove clears a source's entries here, so that a
    // callback may free any source, also one whose event is still waiting in the same batch.
    struct epoll_event batch[BATCH];
    int batch_length;
};

loop *loop_new(bh_error *err) {
    cleanup_free loop *l = calloc(1, sizeof *l);
    if (!l) {
        bh_fail(err, ENOMEM, "cannot make an event loop");
        return NULL;
    }
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        bh_fail(err, errno, "cannot make an event loop");
        return NULL;
    }
    return take_pointer(l);
}

void loop_free(loop *l) {
    if (!l)
        return;
    close(l->epoll_fd);
    free(l);
}

static int control(loop *l, int operation, loop_source *source, uint32_t events, bh_error *err) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(l->epoll_fd, operation, source->fd, &event) < 0)
        return bh_fail(err, errno, "cannot watch file descriptor %d", source->fd);
    return 0;
}

int loop_add(loop *l, loop_source *source, uint32_t events, bh_error *err) {
    return control(l, EPOLL_CTL_ADD, source, events, err);
}

int loop_modify(loop *l, loop_source *source, uint32_t events, bh_error *err) {
    return control(l, EPOLL_CTL_MOD, source, events, err);
}

void loop_remove(loop *l, loop_source *source) {
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    for (int i = 0; i < l->batch_length; i++)
        if (l->batch[i].data.ptr == source)
            l->batch[i].data.ptr = NULL;
}

uint64_t loop_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void loop_timer_start(loop *l, loop_timer *timer, uint64_t after_ms) {
    loop_timer_stop(l, timer);
    // Never "now": a timer that starts itself again would fire for ever in one pass and starve the descriptors.
    timer->deadline_ms = loop_now_ms() + (after_ms > 0 ? after_ms : 1);

    loop_timer **place = &l->timers;
    while (*place && (*place)->deadline_ms <= timer->deadline_ms)
        place = &(*place)->next;
    timer->next = *place;
    *place = timer;
}

void loop_timer_stop(loop *l, loop_timer *timer) {
    for (loop_timer **place = &l->timers; *place; place = &(*place)->next) {
        if (*place == timer) {
            *place = timer->next;
            break;
        }
    }
    timer->next = NULL;
    timer->deadline_ms = 0;
}

static void fire_due_timers(loop *l) {
    uint64_t now = loop_now_ms();
    while (!l->stopping && l->timers && l->timers->deadline_ms <= now) {
        loop_timer *timer = l->timers;
        loop_timer_stop(l, timer);
        timer->fire(timer);
    }
}

// For epoll_wait: milliseconds to the first timer, or -1 when there is none.
static int time_to_wait(const loop *l) {
    if (!l->timers)
        return -1;
    uint64_t now = loop_now_ms();
    if (l->timers->deadline_ms <= now)
        return 0;
    uint64_t wait = l->timers->deadline_ms - now;
    return wait > INT_MAX ? INT_MAX : (int)wait;
}

int loop_run(loop *l, bh_error *err) {
    while (!l->stopping) {
        int count = epoll_wait(l->epoll_fd, l->batch, BATCH, time_to_wait(l));
        if (count < 0 && errno != EINTR)
            return bh_fail(err, errno, "cannot wait for events");

        l->batch_length = count > 0 ? count : 0;
        for (int i = 0; i < l->batch_length && !l->stopping; i++) {
            loop_source *source = l->batch[i].data.ptr;
            if (source)
                source->ready(source, l->batch[i].events);
        }
        l->batch_length = 0;
        fire_due_timers(l);
    }
    l->stopping = false;
    return 0;
}

void loop_stop(loop *l) {
    l->stopping = true;
}

// A pidfd becomes readable when the process has ended and can be waited for (pidfd_open(2)).
static void child_ready(loop_source *source, uint32_t events) {
    (void)events;
    loop_child *child = (loop_child *)((char *)source - offsetof(loop_child, source));
    int wait_status = 0;
    pid_t reaped = waitpid(child->pid, &wait_status, WNOHANG);
    if (reaped == 0 || (reaped < 0 && errno == EINTR))
        return;

    loop_unwatch_child(child->owner, child);
    child->exited(child, wait_status);
}

int loop_watch_child(loop *l, loop_child *child, bh_error *err) {
    child->owner = l;
    child->source = (loop_source){.fd = pidfd_open(child->pid, 0), .ready = child_ready};
    if (child->source.fd < 0)
        return bh_fail(err, errno, "cannot watch process %d", (int)child->pid);
    if (loop_add(l, &child->source, EPOLLIN, err) < 0) {
        close(child->source.fd);
        child->source.fd = -1;
        return -1;
    }
    return 0;
}

void loop_unwatch_child(loop *l, loop_child *child) {
    if (child->source.fd < 0)
        return;
    loop_remove(l, &child->source);
    close(child->source.fd);
    child->source.fd = -1;
}
