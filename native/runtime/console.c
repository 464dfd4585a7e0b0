// A pty of the container's own: see console.h.
#include "runtime/console.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/devices.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

int console_connect(const char *path, bh_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return bh_fail(err, ENAMETOOLONG, "--console-socket %s", path);
    strcpy(address.sun_path, path);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return bh_fail(err, errno, "cannot connect to --console-socket %s", path);
    return take_fd(&fd);
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

static int send_master(int socket, int master, const char *name, bh_error *err) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec text = {(void *)name, strlen(name)};
    struct msghdr message = {
        .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &master, sizeof master);
    if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
        return bh_fail(err, errno, "cannot send the terminal over --console-socket");
    return 0;
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
    if (send_master(socket, master, name, err) < 0)
        return -1;
    trace_step("console", start, "%s, its master sent to the caller", name);
    return take_fd(&slave);
}

int console_bind(int slave, int root, bh_error *err) {
    cleanup_fd int target = fs_make_file_in_root(root, "/dev/console", err);
    return target < 0 ? -1 : devices_bind(slave, target, "/dev/console", err);
}

int console_take(int slave, bh_error *err) {
    if (ioctl(slave, TIOCSCTTY, 0) < 0)
        return bh_fail(err, errno, "cannot make the pty the controlling terminal");
    for (int fd = 0; fd < 3; fd++)
        if (dup2(slave, fd) < 0)
            return bh_fail(err, errno, "cannot make the pty standard fd %d", fd);
    return 0;
}
