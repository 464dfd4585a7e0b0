// Waiting for a device: see device_wait.h.
#include "guest/device_wait.h"

#include "base/cleanup.h"
#include "base/loop.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT_MS 10000

// The kernel announces each change of a device on this socket (lib/kobject_uevent.c), so it is opened before the first
// look.
int device_wait(int (*find)(bool *missing, bh_error *err), bh_error *err) {
    struct sockaddr_nl everyone = {.nl_family = AF_NETLINK, .nl_groups = 1};
    cleanup_fd int changes = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (changes < 0 || bind(changes, (struct sockaddr *)&everyone, sizeof everyone) < 0)
        return bh_fail(err, errno, "cannot listen for new devices");
    uint64_t deadline = loop_now_ms() + LIMIT_MS;
    for (;;) {
        bool missing = false;
        bh_error why;
        int found = find(&missing, &why);
        uint64_t now = loop_now_ms();
        if (found >= 0)
            return found;
        if (!missing || now >= deadline) {
            *err = why;
            return -1;
        }
        struct pollfd change = {changes, POLLIN, 0};
        poll(&change, 1, (int)(deadline - now));
        char message[4096];
        while (recv(changes, message, sizeof message, 0) > 0)
            continue;
    }
}
