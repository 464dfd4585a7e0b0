// Namespaces: see namespaces.h.
#include "runtime/namespaces.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int namespace_kind(const char *type) {
    for (int i = 0; i < NAMESPACE_KINDS; i++)
        if (strcmp(type, namespace_table[i].type) == 0)
            return i;
    return -1;
}

unsigned long namespaces_to_make(const config *c) {
    unsigned long flags = c->namespaces;
    for (int i = 0; i < NAMESPACE_KINDS; i++)
        if (c->namespace_paths[i])
            flags &= ~namespace_table[i].flag;
    if (c->time_offsets)
        flags &= ~(unsigned long)CLONE_NEWTIME; // namespaces_enter_existing has made it
    return flags;
}

const char *namespaces_describe(unsigned long flags, char *text, size_t size) {
    text[0] = '\0';
    for (int i = 0; i < NAMESPACE_KINDS; i++) {
        size_t length = strlen(text);
        if (flags & namespace_table[i].flag)
            snprintf(text + length, size - length, "%s%s", length ? " " : "", namespace_table[i].type);
    }
    return text;
}

static int make_time_namespace(const config *c, bh_error *err) {
    const char *clock;
    json_t *offset;
    if (unshare(CLONE_NEWTIME) < 0)
        return bh_fail(err, errno, "cannot make a time namespace");
    json_object_foreach(c->time_offsets, clock, offset) {
        char line[96];
        json_int_t secs = json_integer_value(json_object_get(offset, "secs"));
        json_int_t nanosecs = json_integer_value(json_object_get(offset, "nanosecs"));
        snprintf(line, sizeof line, "%s %lld %lld", clock, (long long)secs, (long long)nanosecs);
        if (fs_write(AT_FDCWD, "/proc/self/timens_offsets", line, err) < 0)
            return bh_wrap(err, "linux.timeOffsets.%s", clock);
    }
    return 0;
}

bool namespaces_any_existing(const config *c) {
    for (int i = 0; i < NAMESPACE_KINDS; i++)
        if (c->namespace_paths[i])
            return true;
    return c->time_offsets != NULL;
}

static int open_existing(const config *c, int fds[NAMESPACE_KINDS], bh_error *err) {
    for (int i = 0; i < NAMESPACE_KINDS; i++) {
        if (!c->namespace_paths[i])
            continue;
        fds[i] = open(c->namespace_paths[i], O_RDONLY | O_CLOEXEC);
        if (fds[i] < 0)
            return bh_fail(err, errno, "cannot open the %s namespace %s", namespace_table[i].type,
                           c->namespace_paths[i]);
        // Or a file anywhere could be it; setns itself takes a pidfd as well.
        if (fs_check_magic(fds[i], NSFS_MAGIC, c->namespace_paths[i], err) < 0)
            return -1;
    }
    return 0;
}

int namespaces_enter_existing(const config *c, bh_error *err) {
    int fds[NAMESPACE_KINDS];
    memset(fds, -1, sizeof fds);
    int result = open_existing(c, fds, err);
    if (result == 0 && c->time_offsets)
        result = make_time_namespace(c, err);
    // The user namespace, first in the table, comes last: until then we are the host's root, who may join any. All
    // paths have been opened, for with the mount namespace they change their meaning.
    for (int i = NAMESPACE_KINDS - 1; i >= 0 && result == 0; i--)
        if (fds[i] >= 0 && setns(fds[i], (int)namespace_table[i].flag) < 0)
            result =
                bh_fail(err, errno, "cannot join the %s namespace %s", namespace_table[i].type, c->namespace_paths[i]);
    for (int i = 0; i < NAMESPACE_KINDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return result;
}

uint32_t namespaces_host_root(const id_map *maps, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (maps[i].container_id == 0)
            return maps[i].host_id;
    return 0;
}

static int write_map(int proc_fd, pid_t pid, const char *file, const id_map *maps, size_t count, bh_error *err) {
    char path[64], text[ID_MAPS_MAX * 36];
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%u %u %u\n", maps[i].container_id,
                                   maps[i].host_id, maps[i].size);
    snprintf(path, sizeof path, "%d/%s", pid, file);
    return fs_write_below(proc_fd, path, text, err);
}

int namespaces_write_id_maps(const config *c, int proc_fd, pid_t pid, bh_error *err) {
    char path[64];
    snprintf(path, sizeof path, "%d/setgroups", pid);
    // Before gid_map, for it cannot be denied afterwards (user_namespaces(7)). Without setgroups nobody in there can
    // shed a group that a file's permissions count against (CVE-2014-8989).
    if (!c->setgroups && fs_write_below(proc_fd, path, "deny", err) < 0)
        return -1;
    if (write_map(proc_fd, pid, "uid_map", c->uid_maps, c->uid_map_count, err) < 0)
        return bh_wrap(err, "linux.uidMappings");
    if (write_map(proc_fd, pid, "gid_map", c->gid_maps, c->gid_map_count, err) < 0)
        return bh_wrap(err, "linux.gidMappings");
    return 0;
}

pid_t namespaces_hold_id_maps(const id_maps *maps, int proc_fd, bh_error *err) {
    pid_t runtime = getpid(), pid = clone_process(CLONE_NEWUSER, -1, err);
    // It ends with the runtime, whatever ends that.
    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != runtime))
        _exit(1);
    while (pid == 0)
        pause();
    if (pid > 0 && (write_map(proc_fd, pid, "uid_map", maps->uids, maps->uid_count, err) < 0 ||
                    write_map(proc_fd, pid, "gid_map", maps->gids, maps->gid_count, err) < 0)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return -1;
    }
    return pid;
}

int namespaces_raise_loopback(bh_error *err) {
    // A new network namespace has an lo that is down, and with it even 127.0.0.1 is out of reach.
    cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return bh_fail(err, errno, "cannot raise the loopback interface");
    return 0;
}
