// A child with a time limit: see trial.h.
#include "probe/trial.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// How long a killed child may take to go: one that hangs in the kernel may never, and must not take us with it.
#define END_TIMEOUT_MS 1000

typedef struct outcome {
    int result;
    bh_error error;
} outcome;

static _Noreturn void be_the_child(trial what, void *argument, int answer) {
    outcome o = {0};
    // A probe that is interrupted takes its trial along.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    o.result = what(argument, &o.error);
    // Below PIPE_BUF, so it is written whole or not at all.
    _exit(write(answer, &o, sizeof o) == sizeof o ? 0 : 1);
}

static bool wait_for(int pidfd, int timeout_ms) {
    struct pollfd ended = {pidfd, POLLIN, 0};
    int ready;
    while ((ready = poll(&ended, 1, timeout_ms)) < 0 && errno == EINTR)
        continue;
    return ready > 0;
}

int trial_run(trial what, void *argument, int timeout_ms, bh_error *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot make a pipe");
    cleanup_fd int answer = ends[0], question = ends[1];
    pid_t pid = fork();
    if (pid == 0)
        be_the_child(what, argument, question);
    if (pid < 0)
        return bh_fail(err, errno, "cannot fork");
    // Or the pipe would stay open when the child is gone, and reading would not end.
    close(take_fd(&question));
    cleanup_fd int pidfd = pidfd_open(pid, 0);
    bool in_time = pidfd >= 0 && wait_for(pidfd, timeout_ms);
    if (!in_time)
        kill(pid, SIGKILL);
    if (!in_time && pidfd >= 0 && !wait_for(pidfd, END_TIMEOUT_MS))
        return bh_fail(err, ETIMEDOUT, "still at it after %d ms, and not to be killed", timeout_ms);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (!in_time)
        return bh_fail(err, ETIMEDOUT, "still at it after %d ms", timeout_ms);
    outcome o;
    if (read(answer, &o, sizeof o) != sizeof o)
        return bh_fail(err, EPROTO, "the trial's process died");
    if (o.result < 0)
        *err = o.error;
    return o.result;
}
