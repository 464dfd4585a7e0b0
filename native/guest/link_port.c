// The link on its virtio-serial port: see link_port.h. base/link.c knows the packets; this file moves their bytes
// between the port, the broker, and the attach sockets of the monitors in this guest.
#include "guest/link_port.h"

#include "base/byte_queue.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/link.h"
#include "broker/log.h"
#include "guest/device_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_NAME "org.bulkhead.link"
#define LINE_MAX_BYTES ((size_t)1024 * 1024)
// While more than this waits for the port, no attach socket is read: the monitors then wait, and their programs.
#define WAITING_ENOUGH ((size_t)256 * 1024)
// A host that lets this much wait does not read: its conversation is over, and a new hello begins another.
#define WAITING_MAX ((size_t)8 * 1024 * 1024)
// How long the port may look closed before the host counts as gone.
#define GONE_MS 1000
// What a viewer may have on its way to a monitor; attach credit keeps it far below.
#define INPUT_MAX ((size_t)1024 * 1024)

typedef struct channel {
    uint32_t number;
    loop_source source; // the attach socket
    byte_queue to_monitor;
    struct channel *next;
} channel;

static struct link_port {
    client client;
    loop_source source; // the port
    broker *broker;
    loop *loop;
    link_endpoint *link;
    byte_queue line; // a control line so far
    channel *channels;
    loop_timer gone; // runs while the port looks closed
    bool talking;    // the host has said hello and has not gone
    bool paused;     // no attach socket is read
} port = {.source.fd = -1};

static void watch_channel(channel *c) {
    bh_error err;
    uint32_t events = (port.paused ? 0U : EPOLLIN) | (c->to_monitor.length > 0 ? EPOLLOUT : 0U);
    if (loop_modify(port.loop, &c->source, events, &err) < 0)
        log_error("%s", err.message);
}

static void pause_channels(bool paused) {
    if (port.paused == paused)
        return;
    port.paused = paused;
    for (channel *c = port.channels; c; c = c->next)
        watch_channel(c);
}

static void drop_channel(channel *c) {
    for (channel **at = &port.channels; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    loop_remove(port.loop, &c->source);
    close(c->source.fd);
    byte_queue_clear(&c->to_monitor);
    free(c);
}

// From this side: the host is told, after what was sent.
static void end_channel(channel *c) {
    link_close_channel(port.link, c->number);
    drop_channel(c);
}

static channel *find_channel(uint32_t number) {
    channel *c = port.channels;
    while (c && c->number != number)
        c = c->next;
    return c;
}

// The end of a conversation: nobody waits for its answers, and its viewers are gone.
static void hang_up(const char *why) {
    if (!port.talking)
        return;
    port.talking = false;
    loop_timer_stop(port.loop, &port.gone);
    log_debug("link: %s", why);
    broker_remove_client(port.broker, &port.client);
    port.client.subscribed = false;
    byte_queue_clear(&port.line);
    while (port.channels)
        end_channel(port.channels);
}

static void write_port(void) {
    for (size_t waiting; (waiting = link_pending(port.link)) > 0;) {
        ssize_t put = write(port.source.fd, link_front(port.link), waiting);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            break; // EAGAIN: the port is full, or the host is not there; either way an event says when it changes
        link_sent(port.link, (size_t)put);
    }
    pause_channels(link_pending(port.link) > WAITING_ENOUGH);
}

// The port says so by an end of file, which may be old news: the kernel learns of closing and opening from a queue of
// its own, behind the data. When a host goes and another comes at once, its hello is read first, then the end of file
// of the one before it. So nothing is hung up until the port has looked closed for a while.
static void looks_closed(void) {
    if (port.talking && port.gone.deadline_ms == 0)
        loop_timer_start(port.loop, &port.gone, GONE_MS);
}

static void still_closed(loop_timer *timer) {
    (void)timer;
    struct pollfd state = {.fd = port.source.fd};
    if (poll(&state, 1, 0) > 0 && (state.revents & POLLHUP))
        hang_up("the host has closed it");
}

// A port whose host end is closed is always readable (end of file) and hung up, which a level-triggered epoll would
// report without end. Edge-triggered, it reports what changes; so everything there is must be read each time.
static void read_port(void) {
    for (;;) {
        uint8_t bytes[16384];
        ssize_t got = read(port.source.fd, bytes, sizeof bytes);
        if (got > 0)
            link_receive(port.link, bytes, (size_t)got);
        else if (got == 0)
            looks_closed();
        if (got == 0 || (got < 0 && errno != EINTR))
            return;
    }
}

static void port_ready(loop_source *source, uint32_t events) {
    (void)source;
    (void)events;
    read_port();
    write_port();
}

// Setting the events again makes epoll look again, and report a port that is writable already.
static void wants_write(void *context) {
    (void)context;
    bh_error err;
    if (loop_modify(port.loop, &port.source, EPOLLIN | EPOLLOUT | EPOLLET, &err) < 0)
        log_error("%s", err.message);
}

static void hello(void *context) {
    (void)context;
    hang_up("a new conversation begins");
    port.talking = true;
    broker_add_client(port.broker, &port.client);
    log_debug("link: the host says hello");
}

// Hands every whole line to the broker, and keeps the rest.
static void control(void *context, const uint8_t *bytes, size_t length) {
    (void)context;
    bh_error err;
    if (!port.talking)
        return;
    if (port.line.length + length > LINE_MAX_BYTES || byte_queue_append(&port.line, bytes, length, &err) < 0) {
        hang_up("a line of more than 1 MiB");
        return;
    }
    while (port.talking) {
        const char *line = (const char *)byte_queue_front(&port.line);
        const char *end = port.line.length > 0 ? memchr(line, '\n', port.line.length) : NULL;
        if (!end)
            return;
        broker_handle_line(port.broker, &port.client, line, (size_t)(end - line));
        byte_queue_consume(&port.line, (size_t)(end - line) + 1);
    }
}

static void send_line(client *self, const char *line, size_t length) {
    (void)self;
    bh_error err;
    // The queue is in order, and only this function writes on the control channel, so a line stays whole.
    if (link_send(port.link, LINK_CONTROL, line, length, &err) < 0 ||
        link_send(port.link, LINK_CONTROL, "\n", 1, &err) < 0)
        log_error("link: %s", err.message);
    if (link_pending(port.link) > WAITING_MAX)
        hang_up("the host does not read");
}

// Writes what waits for the monitor. False when the monitor has gone.
static bool feed_monitor(channel *c) {
    while (c->to_monitor.length > 0) {
        ssize_t put =
            send(c->source.fd, byte_queue_front(&c->to_monitor), c->to_monitor.length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno == EAGAIN;
        byte_queue_consume(&c->to_monitor, (size_t)put);
    }
    return true;
}

static void data(void *context, uint32_t number, const uint8_t *bytes, size_t length) {
    (void)context;
    bh_error err;
    channel *c = find_channel(number);
    if (!c)
        return;
    if (c->to_monitor.length + length > INPUT_MAX || byte_queue_append(&c->to_monitor, bytes, length, &err) < 0 ||
        !feed_monitor(c)) {
        end_channel(c);
        return;
    }
    watch_channel(c);
}

static void closed(void *context, uint32_t number) {
    (void)context;
    channel *c = find_channel(number);
    if (c)
        drop_channel(c);
}

static void channel_ready(loop_source *source, uint32_t events) {
    channel *c = (channel *)((char *)source - offsetof(channel, source));
    bh_error err;
    if ((events & EPOLLOUT) && !feed_monitor(c)) {
        end_channel(c);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        uint8_t bytes[LINK_PAYLOAD_MAX];
        ssize_t got = recv(source->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        bool gone = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
        if (gone || (got > 0 && link_send(port.link, c->number, bytes, (size_t)got, &err) < 0)) {
            end_channel(c);
            return;
        }
        pause_channels(link_pending(port.link) > WAITING_ENOUGH);
    }
    watch_channel(c);
}

static int open_channel(client *self, int attach_fd, bh_error *err) {
    (void)self;
    cleanup_fd int fd = attach_fd;
    cleanup_free channel *c = calloc(1, sizeof *c);
    if (!c)
        return bh_fail(err, ENOMEM, "cannot open a channel");
    int number = link_open_channel(port.link, err);
    if (number < 0)
        return -1;
    c->number = (uint32_t)number;
    c->source = (loop_source){fd, channel_ready};
    if (loop_add(port.loop, &c->source, port.paused ? 0U : EPOLLIN, err) < 0) {
        link_close_channel(port.link, c->number);
        return -1;
    }
    take_fd(&fd);
    c->next = port.channels;
    port.channels = take_pointer(c);
    return number;
}

// Opens /dev/vportNpM of the port with our name: udev, which would make /dev/virtio-ports/, is not in the guest.
// Returns its descriptor; `missing` says of a failure that no port has that name. The port and its name come in
// messages from QEMU, some time after the driver was loaded.
static int find_port(bool *missing, bh_error *err) {
    *missing = false;
    cleanup_dir DIR *ports = opendir("/sys/class/virtio-ports");
    if (!ports)
        return bh_fail(err, errno, "cannot list /sys/class/virtio-ports (is virtio_console loaded?)");
    for (struct dirent *entry; (entry = readdir(ports));) {
        char path[320], name[64];
        bh_error no_name;
        snprintf(path, sizeof path, "%s/name", entry->d_name);
        if (fs_read(dirfd(ports), path, name, sizeof name, &no_name) < 0 || strcmp(name, PORT_NAME) != 0)
            continue;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        return fd >= 0 ? fd : bh_fail(err, errno, "cannot open %s", path);
    }
    *missing = true;
    return bh_fail(err, 0, "there is no virtio-serial port named " PORT_NAME);
}

int link_port_open(broker *b, loop *l, bh_error *err) {
    static const link_handlers handlers = {hello, control, data, closed, wants_write};
    port.broker = b;
    port.loop = l;
    port.gone = (loop_timer){.fire = still_closed};
    port.client = (client){.send = send_line, .open_channel = open_channel};
    port.source = (loop_source){device_wait(find_port, err), port_ready};
    if (port.source.fd < 0)
        return -1;
    port.link = link_new(&handlers, NULL, err);
    if (!port.link)
        return -1;
    return loop_add(l, &port.source, EPOLLIN | EPOLLOUT | EPOLLET, err);
}
