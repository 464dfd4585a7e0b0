// A small epoll loop for the monitor and the broker: file descriptors, timers, and children (by pidfd).
// Single-threaded; a callback may remove or free any source, its own included.
#pragma once

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

typedef struct loop loop;

typedef struct loop_source {
    int fd;
    void (*ready)(struct loop_source *source, uint32_t events); // EPOLL* bits
} loop_source;

typedef struct loop_timer {
    void (*fire)(struct loop_timer *timer);
    uint64_t deadline_ms; // set by loop_timer_start; 0 while stopped
    struct loop_timer *next;
} loop_timer;

typedef struct loop_child {
    void (*exited)(struct loop_child *child, int wait_status); // wait_status as from waitpid
    pid_t pid;
    loop_source source;
    loop *owner;
} loop_child;

// NULL with *err set on failure. Sources, timers and children belong to the caller and must outlive their time in the
// loop.
loop *loop_new(bh_error *err);
void loop_free(loop *l);
// Calls source->ready for these EPOLL* events until loop_remove. loop_modify changes which.
int loop_add(loop *l, loop_source *source, uint32_t events, bh_error *err);
int loop_modify(loop *l, loop_source *source, uint32_t events, bh_error *err);
void loop_remove(loop *l, loop_source *source); // does not close the fd
// One shot; starting a running timer moves it.
void loop_timer_start(loop *l, loop_timer *timer, uint64_t after_ms);
void loop_timer_stop(loop *l, loop_timer *timer);
// Calls `exited` once when the child ends, having reaped it. `child->pid` must be a child of this process.
int loop_watch_child(loop *l, loop_child *child, bh_error *err);
void loop_unwatch_child(loop *l, loop_child *child); // does not reap
// Runs until loop_stop. Returns 0, or negative when epoll itself fails.
int loop_run(loop *l, bh_error *err);
void loop_stop(loop *l);
uint64_t loop_now_ms(void); // CLOCK_MONOTONIC
