// Listening to QEMU: see vm_watch.h.
#include "broker/vm_watch.h"

#include "base/cleanup.h"
#include "broker/log.h"
#include "broker/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Events are a few hundred bytes; the greeting is one as well.
#define LINE_MAX_BYTES 4096
// What a QEMU may say in a second, which it says in a year otherwise. One that was taken over could keep the broker,
// which is one thread for everybody, reading for ever.
#define SAID_MAX_BYTES 65536

struct vm_watch {
    machine *machine;
    loop_source source;
    vm_news news;
    bool greeted;
    char text[LINE_MAX_BYTES];
    size_t length;
    uint64_t second; // in which it said so much
    size_t said;
};

void vm_news_read(vm_news *news, const char *line, size_t length) {
    cleanup_json json_t *message = json_loadb(line, length, 0, NULL);
    const char *event = json_string_value(json_object_get(message, "event"));
    const char *reason = json_string_value(json_object_get(json_object_get(message, "data"), "reason"));
    if (!event)
        return;
    if (strcmp(event, "GUEST_PANICKED") == 0)
        news->panicked = true;
    else if (strcmp(event, "SHUTDOWN") == 0 && reason)
        snprintf(news->shutdown, sizeof news->shutdown, "%s", reason);
}

static void stop_listening(vm_watch *w) {
    if (w->source.fd < 0)
        return;
    loop_remove(w->machine->broker->loop, &w->source);
    close(w->source.fd);
    w->source.fd = -1;
}

// The first line is the greeting; a monitor tells nothing before its capabilities were negotiated
// (docs/interop/qmp-spec.rst).
static void take_line(vm_watch *w, size_t length) {
    static const char negotiate[] = "{\"execute\":\"qmp_capabilities\"}\n";
    if (w->greeted)
        vm_news_read(&w->news, w->text, length);
    else if (send(w->source.fd, negotiate, sizeof negotiate - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_error("machine %s: cannot ask its QEMU for events: %s", w->machine->id, strerror(errno));
    w->greeted = true;
}

static bool says_too_much(vm_watch *w, size_t bytes) {
    uint64_t second = loop_now_ms() / 1000;
    w->said = (second == w->second ? w->said : 0) + bytes;
    w->second = second;
    return w->said > SAID_MAX_BYTES;
}

// Everything that is there; false when nothing will come any more.
static bool receive(vm_watch *w) {
    for (;;) {
        for (char *end; (end = memchr(w->text, '\n', w->length));) {
            size_t line = (size_t)(end - w->text) + 1;
            take_line(w, line);
            w->length -= line;
            memmove(w->text, end + 1, w->length);
        }
        if (w->length == sizeof w->text)
            return false; // not QEMU any more
        ssize_t got = recv(w->source.fd, w->text + w->length, sizeof w->text - w->length, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        w->length += (size_t)got;
        if (says_too_much(w, (size_t)got)) {
            log_error("machine %s: its QEMU says too much to be listened to", w->machine->id);
            return false;
        }
    }
}

static void ready(loop_source *source, uint32_t events) {
    (void)events;
    vm_watch *w = (vm_watch *)((char *)source - offsetof(vm_watch, source));
    // QEMU's end is seen by its pidfd (end.c), which asks for what was said.
    if (!receive(w))
        stop_listening(w);
}

static int connect_to(const machine *m, bh_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    state_name path = machine_file(m->broker, m->id, "events.sock");
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path.text) >= (int)sizeof address.sun_path)
        return bh_fail(err, ENAMETOOLONG, "cannot connect to %s", path.text);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return bh_fail(err, errno, "cannot listen to the QEMU of %s", m->id);
    return take_fd(&fd);
}

int vm_watch_start(machine *m, bh_error *err) {
    vm_watch_stop(m);
    int fd = connect_to(m, err);
    if (fd < 0)
        return -1;
    vm_watch *w = calloc(1, sizeof *w);
    if (!w) {
        close(fd);
        return bh_fail(err, ENOMEM, "cannot listen to the QEMU of %s", m->id);
    }
    w->machine = m;
    w->source = (loop_source){fd, ready};
    m->watch = w;
    if (loop_add(m->broker->loop, &w->source, EPOLLIN, err) == 0)
        return 0;
    close(fd);
    w->source.fd = -1;
    vm_watch_stop(m);
    return -1;
}

vm_news vm_watch_finish(machine *m) {
    vm_watch *w = m->watch;
    if (!w)
        return (vm_news){0};
    if (w->source.fd >= 0)
        receive(w); // what was sent before the end is in the socket still
    vm_news news = w->news;
    vm_watch_stop(m);
    return news;
}

void vm_watch_stop(machine *m) {
    if (!m->watch)
        return;
    stop_listening(m->watch);
    free(m->watch);
    m->watch = NULL;
}
