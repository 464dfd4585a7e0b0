// Name, machine id and loopback of a guest: see identity.h.
#include "guest/identity.h"

#include "base/cleanup.h"
#include "base/command_line.h"
#include "base/fs.h"
#include "guest/boot_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#define HOSTNAME_PARAMETER "bulkhead.hostname"

// In place: a copy's files are in memory already, and one that replaces another costs an overlay ten times as much. Cut
// only where the old text was longer, for the same reason.
static int write_file(const char *path, const char *text, mode_t mode, bh_error *err) {
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
    struct stat old;
    ssize_t length = (ssize_t)strlen(text);
    if (fd < 0 || fstat(fd, &old) < 0 || write(fd, text, (size_t)length) != length ||
        (old.st_size > length && ftruncate(fd, length) < 0))
        return bh_fail(err, errno, "cannot write %s", path);
    return 0;
}

// The file in the image is empty (machine-id(5): not yet chosen), for all VMs share it.
static int write_machine_id(bh_error *err) {
    uint8_t id[16];
    if (getrandom(id, sizeof id, 0) != sizeof id)
        return bh_fail(err, errno, "cannot get random bytes");
    char text[2 * sizeof id + 2];
    for (size_t i = 0; i < sizeof id; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    strcat(text, "\n");
    return write_file("/etc/machine-id", text, 0444, err);
}

static int become(const char *hostname, bh_error *err) {
    char line[80], hosts[192];
    if (sethostname(hostname, strlen(hostname)) < 0)
        return bh_fail(err, errno, "cannot set the host name %s", hostname);
    snprintf(line, sizeof line, "%s\n", hostname);
    snprintf(hosts, sizeof hosts, "127.0.0.1\tlocalhost %s\n::1\tlocalhost ip6-localhost ip6-loopback\n", hostname);
    return write_file("/etc/hostname", line, 0644, err) < 0 || write_file("/etc/hosts", hosts, 0644, err) < 0 ||
                   write_machine_id(err) < 0
               ? -1
               : 0;
}

int set_identity(bh_error *err) {
    BOOT_STEP("identity");
    char hostname[65];
    // The broker on the host always gives one.
    if (!kernel_parameter(HOSTNAME_PARAMETER, hostname, sizeof hostname))
        return bh_fail(err, 0, "the kernel's command line has no " HOSTNAME_PARAMETER "=");
    boot_step_detail(&step, "%s", hostname);
    return become(hostname, err);
}

// The generator of random numbers was copied with everything else: what two copies draw would be the same. The entropy
// given is counted, and the generator's key made anew at once rather than at its next turn (random(4)).
static int seed(const uint8_t *bytes, size_t length, bh_error *err) {
    cleanup_free struct rand_pool_info *pool = malloc(sizeof *pool + length);
    cleanup_fd int random = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    if (!pool || random < 0)
        return bh_fail(err, errno, "cannot open /dev/urandom");
    pool->entropy_count = (int)length * 8;
    pool->buf_size = (int)length;
    memcpy(pool->buf, bytes, length);
    if (ioctl(random, RNDADDENTROPY, pool) < 0 || ioctl(random, RNDRESEEDCRNG) < 0)
        return bh_fail(err, errno, "cannot seed the kernel's random numbers");
    return 0;
}

int renew_identity(const char *hostname, const uint8_t *entropy, size_t length, int64_t unix_ms, bh_error *err) {
    struct timespec now = {unix_ms / 1000, (long)(unix_ms % 1000 * 1000000)};
    if (clock_settime(CLOCK_REALTIME, &now) < 0)
        return bh_fail(err, errno, "cannot set the clock");
    // Randomness first: the machine id is drawn from it.
    return seed(entropy, length, err) < 0 ? -1 : (hostname ? become(hostname, err) : 0);
}

int bring_up_loopback(bh_error *err) {
    BOOT_STEP("loopback");
    cleanup_fd int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = {.ifr_name = "lo"};
    if (any < 0 || ioctl(any, SIOCGIFFLAGS, &lo) < 0)
        return bh_fail(err, errno, "cannot find the loopback device");
    lo.ifr_flags |= IFF_UP; // its addresses, 127.0.0.1 and ::1, come by themselves
    if (ioctl(any, SIOCSIFFLAGS, &lo) < 0)
        return bh_fail(err, errno, "cannot bring up the loopback device");
    return 0;
}
