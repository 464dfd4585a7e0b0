// QEMU's monitor: see vm_qmp.h.
#include "broker/vm_qmp.h"

#include "base/cleanup.h"
#include "base/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// QEMU answers in milliseconds, if its host has any processor time to give.
#define PATIENCE_MS 20000

static int wait_readable(const vm_qmp *q, uint64_t deadline, bh_error *err) {
    struct pollfd ready = {q->fd, POLLIN, 0};
    uint64_t now = loop_now_ms();
    int count = poll(&ready, 1, now < deadline ? (int)(deadline - now) : 0);
    if (count < 0 && errno != EINTR)
        return bh_fail(err, errno, "cannot wait for QEMU's monitor in %s", q->dir);
    return count == 0 ? bh_fail(err, ETIMEDOUT, "QEMU's monitor in %s does not answer", q->dir) : 0;
}

// The next message, one line of JSON.
static json_t *receive(vm_qmp *q, bh_error *err) {
    uint64_t deadline = loop_now_ms() + PATIENCE_MS;
    for (;;) {
        char *end = memchr(q->text, '\n', q->length);
        if (end) {
            size_t line = (size_t)(end - q->text) + 1;
            json_t *message = json_loadb(q->text, line, 0, NULL);
            q->length -= line;
            memmove(q->text, end + 1, q->length);
            if (!json_is_object(message)) {
                json_decref(message);
                bh_fail(err, 0, "QEMU's monitor in %s does not speak QMP", q->dir);
                return NULL;
            }
            return message;
        }
        if (q->length == sizeof q->text) {
            bh_fail(err, 0, "QEMU's monitor in %s sent more than %zu bytes at once", q->dir, sizeof q->text);
            return NULL;
        }
        if (wait_readable(q, deadline, err) < 0)
            return NULL;
        ssize_t got = recv(q->fd, q->text + q->length, sizeof q->text - q->length, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            bh_fail(err, got < 0 ? errno : 0, "QEMU has closed its monitor in %s", q->dir);
            return NULL;
        }
        q->length += got > 0 ? (size_t)got : 0;
    }
}

static int send_with_fd(const vm_qmp *q, const char *text, int pass_fd, bh_error *err) {
    struct iovec bytes = {(char *)text, strlen(text)};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (pass_fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof pass_fd);
        memcpy(CMSG_DATA(head), &pass_fd, sizeof pass_fd);
    }
    // A command is far smaller than a socket's buffer, so it is sent whole or not at all.
    ssize_t sent = sendmsg(q->fd, &message, MSG_NOSIGNAL);
    return sent < 0 ? bh_fail(err, errno, "cannot ask QEMU's monitor in %s", q->dir) : 0;
}

int vm_qmp_run(vm_qmp *q, const char *command, json_t *arguments, int pass_fd, json_t **answer, bh_error *err) {
    cleanup_json json_t *request =
        json_pack("{s:s, s:o}", "execute", command, "arguments", arguments ? arguments : json_object());
    cleanup_free char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot ask QEMU's monitor");
    if (send_with_fd(q, text, pass_fd, err) < 0)
        return -1;
    for (;;) { // events come in between
        cleanup_json json_t *message = receive(q, err);
        if (!message)
            return -1;
        json_t *error = json_object_get(message, "error"), *result = json_object_get(message, "return");
        const char *why = json_string_value(json_object_get(error, "desc"));
        if (error)
            return bh_fail(err, 0, "QEMU refuses %s: %s", command, why ? why : "it does not say why");
        if (!result)
            continue;
        if (answer)
            *answer = json_incref(result);
        return 0;
    }
}

int vm_qmp_open(vm_qmp *q, const char *dir, bh_error *err) {
    *q = (vm_qmp){.fd = -1, .dir = dir};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s/qmp.sock", dir) >= (int)sizeof address.sun_path)
        return bh_fail(err, ENAMETOOLONG, "cannot connect to %s/qmp.sock", dir);
    q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (q->fd < 0 || connect(q->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return bh_fail(err, errno, "cannot connect to %s/qmp.sock", dir);
    cleanup_json json_t *greeting = receive(q, err);
    return greeting ? vm_qmp_run(q, "qmp_capabilities", NULL, -1, NULL, err) : -1;
}

void vm_qmp_close(vm_qmp *q) {
    if (q->fd >= 0)
        close(q->fd);
    q->fd = -1;
}

int vm_qmp_set_migration(vm_qmp *q, bool ignore_shared, bool pause_first, bh_error *err) {
    // All of them, since an earlier migration may have left them otherwise.
    json_t *list =
        json_pack("[{s:s, s:b}, {s:s, s:b}, {s:s, s:b}]", "capability", "x-ignore-shared", "state", ignore_shared,
                  "capability", "pause-before-switchover", "state", pause_first, "capability", "events", "state", 1);
    return vm_qmp_run(q, "migrate-set-capabilities", json_pack("{s:o}", "capabilities", list), -1, NULL, err);
}

// QEMU tells of it by MIGRATION events, which the capability `events` turns on; those that are missed say no more than
// the one that follows.
int vm_qmp_await_migration(vm_qmp *q, bh_error *err) {
    for (;;) {
        cleanup_json json_t *message = receive(q, err);
        if (!message)
            return -1;
        const char *event = json_string_value(json_object_get(message, "event"));
        const char *status = json_string_value(json_object_get(json_object_get(message, "data"), "status"));
        if (!event || strcmp(event, "MIGRATION") != 0 || !status)
            continue;
        if (strcmp(status, "completed") == 0)
            return 0;
        if (strcmp(status, "failed") != 0 && strcmp(status, "cancelled") != 0)
            continue;
        cleanup_json json_t *state = NULL;
        if (vm_qmp_run(q, "query-migrate", NULL, -1, &state, err) < 0)
            return -1;
        const char *why = json_string_value(json_object_get(state, "error-desc"));
        return bh_fail(err, 0, "QEMU's migration in %s %s: %s", q->dir, status, why ? why : "see its console.log");
    }
}
