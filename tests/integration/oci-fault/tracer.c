// Runs a program and lets one system call of it fail, or kills it there (ptrace(2)). The program is the one that is
// shipped: nothing is compiled into it for this.
//
//     tracer --process P --call N [--kill] PROGRAM ARGUMENT…
//     tracer --process P --call N --attach PID
//
// P is 0 for the program itself, also after it has executed itself again, 1 for the first process that it or one of its
// children makes, and so on; N counts those of its calls that can fail at all, from 1. A child is let go when it
// executes something else. Ends with the program's status when that ends; attached to a process that runs already, on
// SIGTERM, having said "ready" when calls are counted. What happened is said on fd 3, one JSON line:
// {"call":"mount_setattr","calls":87,"left":[]}. "call" is null when the process made fewer calls than N, or does not
// exist; "left" are the processes that were traced and still are there.
#include <elf.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 256 };

// What a call fails with, chosen so that no caller takes it for an answer that it expects (such as ENOENT). Not here:
// what cannot fail (getpid), what fails only for wrong arguments (sigaction), what nobody can do anything about
// (close), and waiting.
static const struct {
    const char *name;
    int code;
} failures[] = {
    {"open", ENFILE},          {"openat", ENFILE},        {"openat2", ENFILE},        {"open_tree", ENFILE},
    {"socket", ENFILE},        {"socketpair", ENFILE},    {"accept4", ENFILE},        {"pipe2", ENFILE},
    {"memfd_create", ENFILE},  {"pidfd_open", ENFILE},    {"fsopen", ENFILE},         {"fsmount", ENFILE},
    {"epoll_create1", ENFILE}, {"inotify_init1", ENFILE}, {"dup2", EMFILE},           {"dup3", EMFILE},
    {"fcntl", EMFILE},         {"read", EIO},             {"pread64", EIO},           {"write", EIO},
    {"writev", EIO},           {"pwrite64", EIO},         {"lseek", EIO},             {"ftruncate", EIO},
    {"fstat", EIO},            {"newfstatat", EIO},       {"statx", EIO},             {"statfs", EIO},
    {"fstatfs", EIO},          {"getdents64", EIO},       {"access", EIO},            {"faccessat2", EIO},
    {"readlink", EIO},         {"readlinkat", EIO},       {"getcwd", EIO},            {"chdir", EIO},
    {"fchdir", EIO},           {"mkdir", EIO},            {"mkdirat", EIO},           {"mknodat", EIO},
    {"symlinkat", EIO},        {"rename", EIO},           {"renameat", EIO},          {"renameat2", EIO},
    {"unlink", EIO},           {"unlinkat", EIO},         {"rmdir", EIO},             {"chmod", EIO},
    {"fchmodat", EIO},         {"chown", EIO},            {"fchown", EIO},            {"fchownat", EIO},
    {"mount", ENOMEM},         {"umount2", ENOMEM},       {"move_mount", ENOMEM},     {"fsconfig", ENOMEM},
    {"mount_setattr", ENOMEM}, {"pivot_root", ENOMEM},    {"clone", EAGAIN},          {"clone3", EAGAIN},
    {"fork", EAGAIN},          {"vfork", EAGAIN},         {"unshare", ENOMEM},        {"setns", ENOMEM},
    {"execve", ENOMEM},        {"execveat", ENOMEM},      {"bind", ENOMEM},           {"listen", ENOMEM},
    {"connect", ENOMEM},       {"sendto", ENOBUFS},       {"sendmsg", ENOBUFS},       {"recvfrom", ENOMEM},
    {"recvmsg", ENOMEM},   {"ioctl", EIO},            {"poll", ENOMEM},           {"ppoll", ENOMEM},
    {"setresuid", EPERM},      {"setresgid", EPERM},      {"setgroups", EPERM},       {"setsid", EPERM},
    {"capget", EPERM},         {"capset", EPERM},         {"prctl", EPERM},           {"seccomp", EPERM},
    {"prlimit64", EPERM},      {"keyctl", EPERM},         {"sethostname", EPERM},     {"setdomainname", EPERM},
    {"bpf", EPERM},            {"close_range", ENOMEM},    {"mmap", ENOMEM},
    {"mprotect", ENOMEM},      {"mremap", ENOMEM},        {"inotify_add_watch", ENOSPC}, {"epoll_ctl", ENOMEM},
};

static struct {
    long number;
    int code;
    const char *name;
} table[sizeof failures / sizeof *failures];

static struct target {
    int process;
    long call;
    bool kill;
    pid_t attach;
} target;

static struct {
    pid_t pids[PROCESSES_MAX]; // in the order in which they were made
    bool gone[PROCESSES_MAX];  // ended, or let go
    int count;
    long calls;       // of the chosen process so far
    bool counting;    // for process 0: main has begun
    int pending;      // the error to give at the next exit of the chosen process; 0: none
    const char *done; // the call that was made to fail
} run;

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(125);
}

static int table_index(long number) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].number == number)
            return (int)i;
    return -1;
}

// The architecture's two registers: which call it is going to be, and what it returned.
#if defined __x86_64__
static void set_register(pid_t pid, bool entry, long value) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) < 0)
        return;
    *(entry ? &registers.orig_rax : &registers.rax) = (unsigned long long)value;
    ptrace(PTRACE_SETREGS, pid, NULL, &registers);
}
#elif defined __aarch64__
static void set_register(pid_t pid, bool entry, long value) {
    struct user_regs_struct registers;
    int number = (int)value;
    struct iovec all = {&registers, sizeof registers}, call = {&number, sizeof number};
    if (entry) {
        ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &call);
    } else if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &all) == 0) {
        registers.regs[0] = (unsigned long long)value;
        ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &all);
    }
}
#endif

static volatile sig_atomic_t over;

static void end(int number) {
    (void)number;
    over = 1;
    ualarm(2000, 2000); // again, should the wait begin just now
}

static int process_of(pid_t pid) {
    for (int i = 0; i < run.count; i++)
        if (run.pids[i] == pid)
            return i;
    return -1;
}

// A new process may be seen before the event that says who made it, or after; it may even be gone by then.
static int remember(pid_t pid) {
    int known = process_of(pid);
    if (known >= 0 || run.count == PROCESSES_MAX)
        return known;
    run.pids[run.count] = pid;
    return run.count++;
}

static void at_entry(pid_t pid, long number) {
    // Before main it is the C library that works, and it may only abort.
    run.counting |= number == SYS_geteuid || target.process != 0 || target.attach;
    int known = run.counting ? table_index(number) : -1;
    if (known < 0 || ++run.calls != target.call)
        return;
    run.done = table[known].name;
    if (target.kill) {
        kill(pid, SIGKILL);
        return;
    }
    run.pending = table[known].code;
    set_register(pid, true, -1);
}

static void at_system_call(pid_t pid) {
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        at_entry(pid, (long)info.entry.nr);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT && run.pending) {
        set_register(pid, false, -run.pending);
        run.pending = 0;
    }
}

static void resume(pid_t pid, int process, int signal_number) {
    bool watched = process == target.process && (!run.done || run.pending);
    ptrace(watched ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, signal_number);
}

// One stop of one process.
static void handle(pid_t pid, int status) {
    int process = remember(pid), signal_number = WSTOPSIG(status), event = status >> 16;
    unsigned long child;
    if (event == PTRACE_EVENT_EXEC && process > 0) {
        run.gone[process] = true;
        ptrace(PTRACE_DETACH, pid, NULL, 0);
        return;
    }
    if (event == PTRACE_EVENT_EXEC)
        run.counting = false;
    else if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
        if (ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child) == 0)
            remember((pid_t)child);
    } else if (signal_number == (SIGTRAP | 0x80))
        at_system_call(pid);
    bool ours = event != 0 || signal_number == (SIGTRAP | 0x80);
    resume(pid, process, ours ? 0 : signal_number);
}

// The process to begin with, stopped.
static void begin(pid_t first) {
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                         PTRACE_O_TRACEEXEC;
    int status;
    // Not by PTRACE_TRACEME, which stops each new process with a SIGSTOP: it would stay stopped if this one ended then.
    if (ptrace(PTRACE_SEIZE, first, NULL, options) < 0 || ptrace(PTRACE_INTERRUPT, first, 0, 0) < 0)
        fail("cannot attach");
    if (waitpid(first, &status, __WALL) != first || !WIFSTOPPED(status))
        fail("the program does not start");
    remember(first);
    resume(first, 0, 0);
    if (target.attach)
        dprintf(3, "ready\n");
}

static int trace(pid_t first, int go) {
    int status;
    begin(first);
    close(go);
    for (pid_t pid; !over && (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (WIFSTOPPED(status))
            handle(pid, status);
        else if (pid == first)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        else if (process_of(pid) >= 0)
            run.gone[process_of(pid)] = true;
    }
    if (over)
        return 0;
    fail("waitpid");
}

static void read_options(int argc, char **argv, char ***program) {
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--kill") == 0)
            target.kill = true;
        else if (strcmp(argv[at], "--process") == 0)
            target.process = atoi(argv[++at]);
        else if (strcmp(argv[at], "--call") == 0)
            target.call = atol(argv[++at]);
        else if (strcmp(argv[at], "--attach") == 0)
            target.attach = atoi(argv[++at]);
    }
    *program = argv + at;
    if (!argv[at] && !target.attach)
        fail("usage: tracer --process P --call N [--kill] PROGRAM ARGUMENT…");
}

int main(int argc, char **argv) {
    char **program;
    read_options(argc, argv, &program);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        table[i].name = failures[i].name;
        table[i].code = failures[i].code;
        table[i].number = seccomp_syscall_resolve_name(failures[i].name);
    }
    // Without SA_RESTART: they end a wait.
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = end}, NULL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = end}, NULL);
    int ends[2]; // the program waits at it until it is watched
    if (pipe(ends) < 0)
        fail("pipe");
    pid_t first = target.attach ? target.attach : fork();
    if (first == 0) {
        char go;
        close(3);
        close(ends[1]);
        read(ends[0], &go, 1);
        close(ends[0]);
        execv(program[0], program);
        fail(program[0]);
    }
    int status = trace(first, ends[1]);
    const char *quote = run.done ? "\"" : "";
    dprintf(3, "{\"call\":%s%s%s,\"calls\":%ld,\"left\":[", quote, run.done ? run.done : "null", quote, run.calls);
    const char *comma = "";
    for (int i = 1; i < run.count; i++) {
        if (run.gone[i])
            continue;
        dprintf(3, "%s%d", comma, run.pids[i]);
        comma = ",";
    }
    dprintf(3, "]}\n");
    // What still runs is let go with this process's end.
    return status;
}
