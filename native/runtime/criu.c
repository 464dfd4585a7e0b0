// A conversation with CRIU: see criu.h. It runs as our child, with one end of a socket pair as its descriptor 3.
#include "runtime/criu.h"

#include "base/cleanup.h"
#include "base/fd_passing.h"
#include "base/fs.h"
#include "runtime/criu_complaint.h"
#include "runtime/criu_message.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CRIU "/usr/sbin/criu"
#define LOG_FILE "criu.log"
enum { LOG_MAX = 256 * 1024 };

static _Noreturn void become_criu(int socket) {
    static char *const argv[] = {"criu", "swrk", "3", NULL};
    // It calls tar, ip and nft.
    static char *const envp[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high = fcntl(socket, F_DUPFD_CLOEXEC, 10);
    if (null < 0 || high < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || dup2(high, 3) < 0)
        _exit(126);
    close_range(4, ~0U, 0);
    execve(CRIU, argv, envp);
    _exit(127);
}

static pid_t start(int *socket, bh_error *err) {
    int ends[2];
    if (access(CRIU, X_OK) < 0)
        return bh_fail(err, ENOTSUP, "there is no " CRIU " here (in a Bulkhead VM there is)");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return bh_fail(err, errno, "cannot talk to CRIU");
    pid_t pid = fork();
    if (pid == 0)
        become_criu(ends[1]);
    close(ends[1]);
    *socket = ends[0];
    return pid < 0 ? bh_fail(err, errno, "cannot start CRIU") : pid;
}

static int send_message(int socket, const criu_message *m, bh_error *err) {
    if (m->cut)
        return bh_fail(err, ENAMETOOLONG, "a request to CRIU is too long");
    return send(socket, m->bytes, m->length, MSG_NOSIGNAL) == (ssize_t)m->length
               ? 0
               : bh_fail(err, errno, "cannot talk to CRIU");
}

static int ask(int socket, const criu_request *r, bh_error *err) {
    criu_message m;
    const criu_options options = {r->images, r->pid, r->root, LOG_FILE};
    criu_write_request(&m, r->restore ? CRIU_RESTORE : CRIU_DUMP, &options);
    return send_message(socket, &m, err);
}

// Everything that CRIU says until it has done what was asked, or has not.
static int converse(int socket, const criu_request *r, criu_answer *a, bh_error *err) {
    uint8_t bytes[CRIU_MESSAGE_MAX];
    bh_error refusal = {0};
    for (;;) {
        int file;
        ssize_t length = fd_receive(socket, bytes, sizeof bytes, &file, err);
        if (length < 0)
            return err->code == EAGAIN ? bh_fail(err, ETIMEDOUT, "CRIU has said nothing for %d seconds", r->patience_s)
                                       : bh_wrap(err, "CRIU");
        if (length == 0)
            return bh_fail(err, 0, "CRIU ended without an answer");
        if (criu_read_answer(bytes, (size_t)length, a, err) < 0)
            return -1;
        if (a->kind != CRIU_NOTIFY)
            break;
        criu_message reply;
        bool go_on = !*refusal.message && r->stage(r->context, a->stage, file, &refusal) == 0;
        criu_write_reply(&reply, go_on);
        if (send_message(socket, &reply, err) < 0)
            return -1;
    }
    if (*refusal.message) {
        *err = refusal;
        return -1;
    }
    return 0;
}

static int complain(const criu_request *r, bh_error *err) {
    cleanup_free char *log = malloc(LOG_MAX);
    bh_error unread;
    ssize_t length = log ? fs_read(r->images, LOG_FILE, log, LOG_MAX, &unread) : -1;
    return criu_complaint(length > 0 ? log : "", r->restore, err);
}

pid_t criu_ask(const criu_request *r, bh_error *err) {
    cleanup_fd int socket = -1;
    criu_answer answer = {.success = false};
    const struct timeval patience = {.tv_sec = r->patience_s};
    pid_t criu = start(&socket, err);
    if (criu < 0)
        return -1;
    int result = 0;
    if (setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        result = bh_fail(err, errno, "cannot limit the wait for CRIU");
    if (result == 0)
        result = ask(socket, r, err);
    if (result == 0)
        result = converse(socket, r, &answer, err);
    // What it traces goes on when it dies; one that is silent for so long will not let go by itself.
    if (result < 0 && err->code == ETIMEDOUT)
        kill(criu, SIGKILL);
    close(take_fd(&socket));
    waitpid(criu, NULL, 0);
    if (result < 0)
        return -1;
    if (!answer.success)
        return complain(r, err);
    return r->restore ? answer.pid : r->pid;
}
