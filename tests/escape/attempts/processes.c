// Other processes, groups and terminals than one's own.
#include "attempt.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

// kill PID
ATTEMPT(kill) {
    return kill(atoi(args[0]), 0) == 0 ? got("to signal %s", args[0]) : stopped("kill");
}

// trace PID
ATTEMPT(trace) {
    return ptrace(PTRACE_SEIZE, atoi(args[0]), NULL, NULL) == 0 ? got("to trace %s", args[0]) : stopped("ptrace");
}

// root_of PID
ATTEMPT(root_of) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/root/", args[0]);
    return open(path, O_RDONLY | O_DIRECTORY) >= 0 ? got("%s", path) : stopped("open");
}

ATTEMPT(setgroups) {
    return setgroups(0, NULL) == 0 ? got("to drop groups") : stopped("setgroups");
}

// new_namespace FLAG: by unshare, and by clone.
ATTEMPT(new_namespace) {
    int flag = (int)strtoul(args[0], NULL, 0);
    if (unshare(flag) == 0)
        return got("a namespace by unshare");
    pid_t child = (pid_t)syscall(SYS_clone, flag | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0)
        _exit(0);
    return child > 0 ? got("a namespace by clone") : stopped("clone");
}

// children_of_another COUNT: children of this process's own parent, which is on the host and does not know of them.
ATTEMPT(children_of_another) {
    int made = 0;
    for (; made < atoi(args[0]); made++) {
        pid_t child = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
        if (child == 0)
            _exit(0);
        if (child < 0)
            return stopped("clone");
    }
    return got("%d children left to somebody else", made);
}

static int own_terminal(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || unlockpt(master) < 0)
        return -1;
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    if (fork() > 0) { // a group's leader cannot have a session of its own
        int status;
        wait(&status);
        exit(WEXITSTATUS(status));
    }
    setsid();
    return ioctl(slave, TIOCSCTTY, 0) < 0 ? -1 : slave;
}

// type_into_terminal: TIOCSTI. "wide": with a bit set that the kernel ignores and a careless filter does not.
ATTEMPT(type_into_terminal) {
    unsigned long request = TIOCSTI | (args[0] ? 1ul << 32 : 0);
    int terminal = own_terminal();
    if (terminal < 0)
        return stopped("terminal");
    return syscall(SYS_ioctl, terminal, request, "x") == 0 ? got("to type") : stopped("TIOCSTI");
}

// paste_into_console: TIOCLINUX. A pty is no console and says ENOTTY, when it is asked.
ATTEMPT(paste_into_console) {
    unsigned long request = TIOCLINUX | (args[0] ? 1ul << 32 : 0);
    int terminal = own_terminal();
    if (terminal < 0)
        return stopped("terminal");
    char paste = 3;
    return syscall(SYS_ioctl, terminal, request, &paste) == 0 || errno == ENOTTY ? got("to ask") : stopped("TIOCLINUX");
}

// flood_link: takes the init's end of the VM's link (pidfd_getfd(2)) and writes noise on it for two seconds.
ATTEMPT(flood_link) {
    static unsigned char noise[65536];
    char path[64], link[256];
    int init = (int)syscall(SYS_pidfd_open, 1, 0), port = -1;
    long written = 0;
    for (int fd = 0; fd < 64 && port < 0; fd++) {
        snprintf(path, sizeof path, "/proc/1/fd/%d", fd);
        ssize_t length = readlink(path, link, sizeof link - 1);
        if (length > 0 && (link[length] = '\0', strstr(link, "vport")))
            port = (int)syscall(SYS_pidfd_getfd, init, fd, 0);
    }
    if (port < 0)
        return stopped("pidfd_getfd");
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)(rand() % 255 + (rand() % 100 != 0)); // a zero, which ends a packet, now and then
    for (time_t end = time(NULL) + 2; time(NULL) < end;) {
        ssize_t put = write(port, noise, sizeof noise);
        written += put > 0 ? put : 0;
        if (put < 0)
            usleep(1000);
    }
    return got("to write %ld bytes", written);
}

// line_discipline: another one for a terminal (27 is N_NULL, which is in every kernel). "wide": as above.
ATTEMPT(line_discipline) {
    unsigned long request = TIOCSETD | (args[0] ? 1ul << 32 : 0);
    int terminal = own_terminal(), null = 27;
    if (terminal < 0)
        return stopped("terminal");
    return syscall(SYS_ioctl, terminal, request, &null) == 0 ? got("another line discipline") : stopped("TIOCSETD");
}

// type_into WHERE: TIOCSTI by another name of the terminal one has.
ATTEMPT(type_into) {
    if (own_terminal() < 0)
        return stopped("terminal");
    int terminal = open(args[0], O_RDWR | O_NOCTTY);
    if (terminal < 0)
        return stopped("open");
    return ioctl(terminal, TIOCSTI, "x") == 0 ? got("to type into %s", args[0]) : stopped("TIOCSTI");
}
