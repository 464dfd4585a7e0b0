// Reaping orphans: see reap.h.
#include "broker/reap.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

// Children that someone watches (a job, a machine's init) are reaped by the watcher, which learns how they ended, at
// once. A zombie that is still there this much later has no watcher.
#define PATIENCE_MS 50
#define MAX_CHILDREN 4096

static broker *of_timer(loop_timer *timer) {
    return (broker *)((char *)timer - offsetof(broker, reap_timer));
}

static broker *of_source(loop_source *source) {
    return (broker *)((char *)source - offsetof(broker, child_events));
}

static bool is_zombie(pid_t pid) {
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

// Every child of this process, from proc_pid_children(5). One that ends while the list is read may be left out: it is
// found by the next SIGCHLD's pass.
static size_t read_children(pid_t *children, size_t max) {
    // Not with a buffer for the whole list: how long it gets is up to what containers leave behind.
    cleanup_file FILE *list = fopen("/proc/thread-self/children", "re");
    size_t count = 0;
    while (list && count < max && fscanf(list, "%d", &children[count]) == 1)
        count++;
    return count;
}

void reap_end_all(void) {
    pid_t children[MAX_CHILDREN];
    for (size_t count; (count = read_children(children, MAX_CHILDREN)) > 0;) {
        for (size_t i = 0; i < count; i++) {
            kill(children[i], SIGKILL);
            waitpid(children[i], NULL, 0);
        }
    }
}

static bool seen_before(const broker *b, pid_t pid) {
    for (size_t i = 0; i < b->zombie_count; i++) {
        if (b->zombies[i] == pid)
            return true;
    }
    return false;
}

static void reap(loop_timer *timer) {
    broker *b = of_timer(timer);
    pid_t children[MAX_CHILDREN], young[MAX_ZOMBIES];
    size_t count = read_children(children, MAX_CHILDREN), young_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_zombie(children[i]))
            continue;
        if (seen_before(b, children[i]))
            waitpid(children[i], NULL, WNOHANG);
        else if (young_count < MAX_ZOMBIES)
            young[young_count++] = children[i];
    }
    memcpy(b->zombies, young, young_count * sizeof *young);
    b->zombie_count = young_count;
    if (young_count > 0)
        loop_timer_start(b->loop, timer, PATIENCE_MS);
}

static void child_ended(loop_source *source, uint32_t events) {
    (void)events;
    broker *b = of_source(source);
    struct signalfd_siginfo info[16];
    while (read(source->fd, info, sizeof info) > 0)
        continue;
    if (b->reap_timer.deadline_ms == 0)
        loop_timer_start(b->loop, &b->reap_timer, PATIENCE_MS);
}

int reap_start(broker *b, bh_error *err) {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return bh_fail(err, errno, "cannot become the parent of orphans");
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    b->reap_timer.fire = reap;
    b->child_events = (loop_source){signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK), child_ended};
    if (b->child_events.fd < 0)
        return bh_fail(err, errno, "cannot watch for children");
    // What ended before the signal was blocked is found by the first pass.
    loop_timer_start(b->loop, &b->reap_timer, PATIENCE_MS);
    return loop_add(b->loop, &b->child_events, EPOLLIN, err);
}

void reap_stop(broker *b) {
    loop_timer_stop(b->loop, &b->reap_timer);
    if (b->child_events.fd < 0)
        return;
    loop_remove(b->loop, &b->child_events);
    close(b->child_events.fd);
}
