// A program on a pty of our own: see program.h.
#include "monitor/program.h"

#include "base/cleanup.h"
#include "monitor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

// Opens a pty. The slave is opened through the master (TIOCGPTPEER, Linux 4.13): its path could mean another devpts.
static int open_pty(frame_size size, int *slave, bh_error *err) {
    cleanup_fd int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || unlockpt(master) < 0)
        return bh_fail(err, errno, "cannot open a pty (is /dev/pts mounted?)");
    *slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*slave < 0)
        return bh_fail(err, errno, "cannot open the pty's other side");
    struct winsize wish = {.ws_col = size.columns, .ws_row = size.rows};
    ioctl(master, TIOCSWINSZ, &wish);
    return take_fd(&master);
}

// In the child: makes the pty the controlling terminal of a new session, and standard input, output and error.
static int take_terminal(int slave) {
    if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
        return -1;
    for (int fd = 0; fd < 3; fd++)
        if (dup2(slave, fd) < 0)
            return -1;
    return 0;
}

int program_start(char **command, frame_size size, pid_t *pid, bh_error *err) {
    cleanup_fd int slave = -1;
    cleanup_fd int master = open_pty(size, &slave, err);
    if (master < 0)
        return -1;
    cleanup_fd int failed = -1; // readable end of a pipe that a successful exec closes
    *pid = child_fork(&failed, err);
    if (*pid < 0)
        return -1;
    if (*pid == 0) {
        if (take_terminal(slave) == 0)
            child_exec(command, failed);
        child_give_up(failed);
    }

    int code = child_wait_for_exec(failed);
    if (code != 0) {
        waitpid(*pid, NULL, 0);
        return bh_fail(err, code, "cannot run %s", command[0]);
    }
    return take_fd(&master);
}
