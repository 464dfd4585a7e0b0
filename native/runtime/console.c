// A pty of the container's own: see console.h.
#include "runtime/console.h"
#include "base/cleanup.h"
#include "base/fd_passing.h"
#include "base/fs.h"
#include "runtime/devices.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int console_connect(const char *path, bh_error *err) {
    int fd = fd_connect(path, err);
    return fd < 0 ? bh_wrap(err, "--console-socket") : fd;
}

// The multiplexer of a devpts, and nothing that an image or a learner put in its place (CVE-2025-52565).
static int open_master(int root, bh_error *err) {
    cleanup_fd int master = fs_open_in_root(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, err);
    struct stat info;
    if (master < 0)
        return bh_wrap(err, "a terminal needs a devpts mount on /dev/pts");
    if (fs_check_magic(master, DEVPTS_SUPER_MAGIC, "/dev/pts/ptmx", err) < 0)
        return -1;
    if (fstat(master, &info) < 0 || !S_ISCHR(info.st_mode) || info.st_rdev != makedev(5, 2))
        return bh_fail(err, 0, "/dev/pts/ptmx is not the pty multiplexer (character device 5:2)");
    return take_fd(&master);
}

int console_open(const process_config *p, int root, int socket, bh_error *err) {
    uint64_t start = trace_now();
    cleanup_fd int master = open_master(root, err);
    int unlock = 0;
    unsigned number = 0;
    char name[32];
    if (master < 0)
        return -1;
    // The slave by the master's own fd: a path would be looked up in a /dev/pts that somebody may have swapped.
    cleanup_fd int slave = ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0
                               ? -1
                               : ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return bh_fail(err, errno, "cannot open a terminal");
    struct winsize size = {.ws_col = p->columns, .ws_row = p->rows};
    if (p->columns && p->rows && ioctl(slave, TIOCSWINSZ, &size) < 0)
        return bh_fail(err, errno, "cannot set process.consoleSize");
    // So that the user may open its own terminal by name (`/dev/pts/0`); the group stays the devpts mount's choice.
    if (p->uid != 0 && fchown(slave, p->uid, (gid_t)-1) < 0)
        return bh_fail(err, errno, "cannot give the terminal to user %u", p->uid);
    snprintf(name, sizeof name, "/dev/pts/%u", number);
    if (fd_send(socket, name, strlen(name), master, err) < 0)
        return bh_wrap(err, "--console-socket");
    trace_step("console", start, "%s, its master sent to the caller", name);
    return take_fd(&slave);
}

int console_bind(int slave, int root, bh_error *err) {
    // Where programs that want to be heard whatever happens write to (console(4)): here it is this terminal.
    cleanup_fd int target = fs_make_file_in_root(root, "/dev/console", err);
    return target < 0 ? -1 : devices_bind(slave, target, 0, "/dev/console", err);
}

int console_take(int slave, bh_error *err) {
    // Only the leader of a session that has none yet may take a terminal (ioctl_tty(2)): process_start_session came
    // before.
    if (ioctl(slave, TIOCSCTTY, 0) < 0)
        return bh_fail(err, errno, "cannot make the pty the controlling terminal");
    for (int fd = 0; fd < 3; fd++)
        if (dup2(slave, fd) < 0)
            return bh_fail(err, errno, "cannot make the pty standard fd %d", fd);
    return 0;
}
