// Forking and exec'ing: see child.h.
#include "monitor/child.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/socket.h>

pid_t child_fork(int *report, bh_error *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0) {
        bh_fail(err, errno, "cannot fork");
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    *report = pid == 0 ? ends[1] : ends[0];
    close(pid == 0 ? ends[0] : ends[1]);
    return pid;
}

void child_exec(char **command, int report) {
    // Signals that are ignored stay so across exec (execve(2)): a shell whose SIGHUP is ignored would outlive its
    // terminal, one whose SIGPIPE is would see `yes | head` go on for ever.
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    // All but the report, which must survive a failing exec. Marking is enough: exec closes them.
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        child_give_up(report);
    execvp(command[0], command);
}

void child_give_up(int report) {
    int code = errno;
    // The reader takes an end without a report for success, so this must not fail quietly; a pipe has room for it.
    if (write(report, &code, sizeof code) != (ssize_t)sizeof code)
        abort();
    _exit(127);
}

int child_wait_for_exec(int report) {
    int code = 0;
    ssize_t length;
    do
        length = read(report, &code, sizeof code);
    while (length < 0 && errno == EINTR);
    return length == (ssize_t)sizeof code ? code : 0;
}
