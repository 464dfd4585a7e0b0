// A process that was taken over: system calls made in another process's name, by ptrace. What holds QEMU is then asked
// of QEMU itself, behind every filter and in every namespace that it has, rather than of something that is like it.
#include "attempt.h"

#include <ctype.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { CALLS_MAX = 8, ARGUMENTS_MAX = 6, RED_ZONE = 4096, SYSCALL_STOP = SIGTRAP | 0x80 };

static const struct {
    const char *name;
    long number;
} calls[] = {
#define CALL(name) {#name, SYS_##name}
    CALL(add_key),
    CALL(bpf),
    CALL(clone),
    CALL(clone3),
    CALL(connect),
    CALL(execve),
    CALL(execveat),
    CALL(fork),
    CALL(ftruncate),
    CALL(getuid),
    CALL(keyctl),
    CALL(kexec_load),
    CALL(kill),
    CALL(memfd_create),
    CALL(mknod),
    CALL(mount),
    CALL(open),
    CALL(io_uring_setup),
    CALL(pidfd_getfd),
    CALL(pidfd_open),
    CALL(ptrace),
    CALL(setns),
    CALL(setuid),
    CALL(socket),
    CALL(open_by_handle_at),
    CALL(unshare),
    CALL(userfaultfd),
    CALL(vfork),
    CALL(fsopen),
    CALL(process_vm_readv),
    CALL(capset),
    CALL(perf_event_open),
    CALL(io_setup),
    CALL(init_module),
    CALL(socketpair),
    CALL(chroot),
    CALL(request_key),
    CALL(move_pages),
    CALL(setpriority),
    CALL(reboot),
#undef CALL
};

static pid_t puppet;
static uintptr_t room; // below its stack, where arguments that are no numbers go

static long number_of(const char *name) {
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i].name, name) == 0)
            return calls[i].number;
    return -1;
}

static uintptr_t place(const void *bytes, size_t length) {
    room = (room - length) & ~15ul;
    struct iovec here = {(void *)bytes, length}, there = {(void *)room, length};
    return process_vm_writev(puppet, &here, 1, &there, 1, 0) == (ssize_t)length ? room : 0;
}

static uintptr_t place_hex(const char *digits) {
    unsigned char bytes[256];
    size_t length = 0;
    for (; isxdigit(digits[0]) && isxdigit(digits[1]) && length < sizeof bytes; digits += 2)
        sscanf(digits, "%2hhx", &bytes[length++]);
    return place(bytes, length);
}

// A number; @text; hex:0200…; %N, which is what the Nth call returned.
static uintptr_t argument(const char *text, const long *results) {
    if (*text == '@')
        return place(text + 1, strlen(text));
    if (strncmp(text, "hex:", 4) == 0)
        return place_hex(text + 4);
    if (*text == '%')
        return (uintptr_t)results[atoi(text + 1)];
    return (uintptr_t)strtoll(text, NULL, 0);
}

// Lets it run to its next stop. False when it has none any more.
static bool step(int *status) {
    if (ptrace(PTRACE_SYSCALL, puppet, NULL, NULL) < 0)
        return false;
    return waitpid(puppet, status, __WALL) == puppet && WIFSTOPPED(*status);
}

// Stops it in front of a system call, which is the one instruction of its that is needed.
static bool stop_at_call(struct user_regs_struct *regs) {
    int status;
    if (ptrace(PTRACE_SEIZE, puppet, NULL, PTRACE_O_TRACESYSGOOD) < 0 ||
        ptrace(PTRACE_INTERRUPT, puppet, NULL, NULL) < 0 || waitpid(puppet, &status, __WALL) != puppet)
        return false;
    while (step(&status) && WSTOPSIG(status) != SYSCALL_STOP)
        continue;
    if (!WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, puppet, NULL, regs) < 0)
        return false;
    struct user_regs_struct skipped = *regs;
    skipped.orig_rax = (unsigned long long)-1;
    return ptrace(PTRACE_SETREGS, puppet, NULL, &skipped) == 0 && step(&status);
}

// Makes one call in its name. False when it did not live to see the result.
static bool call(const struct user_regs_struct *was, long number, const uintptr_t *arguments, long *result,
                 int *status) {
    struct user_regs_struct regs = *was;
    regs.rip = was->rip - 2; // syscall is two bytes long
    regs.orig_rax = (unsigned long long)-1;
    regs.rax = (unsigned long long)number;
    regs.rdi = arguments[0], regs.rsi = arguments[1], regs.rdx = arguments[2];
    regs.r10 = arguments[3], regs.r8 = arguments[4], regs.r9 = arguments[5];
    if (ptrace(PTRACE_SETREGS, puppet, NULL, &regs) < 0)
        return false;
    for (int stops = 0; stops < 2;) { // on its way in, and on its way out
        if (!step(status))
            return false;
        stops += WSTOPSIG(*status) == SYSCALL_STOP;
    }
    if (ptrace(PTRACE_GETREGS, puppet, NULL, &regs) < 0)
        return false;
    *result = (long)regs.rax;
    // A filter that kills undoes the call; the end comes a step later.
    return *result != number || (step(status) && WSTOPSIG(*status) != SIGSYS);
}

static bool failed(long result) {
    return result < 0 && result >= -4095;
}

static int died(const char *name, int status) {
    int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status);
    return stopped_because("%s: killed by SIG%s", name, sigabbrev_np(signal));
}

// puppet PID CALL ARGUMENT… [-- CALL ARGUMENT…]…: stops at the first call that fails. The process goes on as it was.
ATTEMPT(puppet) {
    struct user_regs_struct regs;
    long results[CALLS_MAX] = {0};
    const char *name = "attach";
    puppet = atoi(args[0]);
    if (!stop_at_call(&regs))
        return stopped("attach");
    room = regs.rsp - RED_ZONE;
    long last = 0;
    int made = 0;
    for (char **at = args + 1; *at && made < CALLS_MAX && !failed(last); made++) {
        uintptr_t given[ARGUMENTS_MAX] = {0};
        int status = 0;
        name = *at++;
        for (int i = 0; *at && strcmp(*at, "--") != 0; at++, i++)
            if (i < ARGUMENTS_MAX)
                given[i] = argument(*at, results);
        at += *at != NULL;
        if (number_of(name) < 0)
            return stopped_because("%s is not on the list of calls", name);
        if (!call(&regs, number_of(name), given, &last, &status))
            return died(name, status);
        results[made] = last;
    }
    regs.rip -= 2; // and now what it was about to ask
    regs.rax = regs.orig_rax;
    regs.orig_rax = (unsigned long long)-1;
    ptrace(PTRACE_SETREGS, puppet, NULL, &regs);
    ptrace(PTRACE_DETACH, puppet, NULL, NULL);
    if (!failed(last))
        return got("%ld of %s", last, name);
    errno = (int)-last;
    return stopped(name);
}
