// A listening Unix socket: see listener.h.
#include "base/listener.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { BACKLOG = 16 };

int listener_open(const char *path, bh_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return bh_fail(err, 0, "socket path %s is longer than %zu bytes (choose a shorter state directory)", path,
                       sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);

    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return bh_fail(err, errno, "cannot make socket %s", path);
    // bind makes the file with the socket's mode less the umask; nobody may connect before its owner has been set.
    mode_t mask = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (bound < 0 || listen(fd, BACKLOG) < 0)
        return bh_fail(err, errno, "cannot listen on %s", path);
    return take_fd(&fd);
}
