// Linked into the programs of `make VALGRIND=1` only: system calls that valgrind (3.19, of Debian 12) does not know and
// would answer with ENOSYS are made behind its back, on the real processor. What they write is said to be defined. And
// where the runtime executes itself again, valgrind is started again with it.
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <valgrind/memcheck.h>

typedef struct system_call {
    long number, arguments[6];
} system_call;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __wrap_open_tree(int dir, const char *path, unsigned flags);
int __wrap_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags);
int __wrap_fsopen(const char *type, unsigned flags);
int __wrap_fsmount(int fs, unsigned flags, unsigned attributes);
int __wrap_fsconfig(int fs, unsigned command, const char *key, const void *value, int aux);
int __wrap_mount_setattr(int dir, const char *path, unsigned flags, struct mount_attr *attr, size_t size);
int __wrap_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_send_signal(int process, int number, siginfo_t *info, unsigned flags);
int __wrap_setdomainname(const char *name, size_t length);
int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument);
int __wrap_close_range(unsigned first, unsigned last, int flags);
int __real_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);
int __real_statvfs64(const char *path, struct statvfs *info);
int __wrap_statvfs64(const char *path, struct statvfs *info);

static long make_call(unsigned long thread, const system_call *c) {
    (void)thread;
    long result;
    register long r10 __asm__("r10") = c->arguments[3], r8 __asm__("r8") = c->arguments[4],
                      r9 __asm__("r9") = c->arguments[5];
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(c->number), "D"(c->arguments[0]), "S"(c->arguments[1]), "d"(c->arguments[2]), "r"(r10),
                       "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static long behind(system_call c) {
    long result = (long)VALGRIND_NON_SIMD_CALL1(make_call, &c);
    VALGRIND_MAKE_MEM_DEFINED(&result, sizeof result);
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

// As the clone(2) that valgrind knows: a copy of the process, whose copy of valgrind goes on in it. It has no bit for a
// time namespace.
static long clone_plainly(const struct clone_args *args) {
    uint64_t flags = args->flags & ~(uint64_t)CLONE_NEWTIME;
    long pid = __real_syscall(SYS_clone, flags | args->exit_signal, 0L, 0L, 0L, 0L);
    if (pid == 0 && flags != args->flags && unshare(CLONE_NEWTIME) < 0)
        _exit(1);
    return pid;
}

long __wrap_syscall(long number, ...) {
    system_call c = {.number = number};
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        c.arguments[i] = va_arg(list, long);
    va_end(list);
    VALGRIND_MAKE_MEM_DEFINED(&c, sizeof c); // fewer may have been given
    switch (number) {
    case SYS_clone3:
        // Without arguments it is a test of a filter, which is to answer instead of the kernel.
        return c.arguments[0] ? clone_plainly((const struct clone_args *)c.arguments[0]) : behind(c);
    case SYS_capget: { // valgrind knows of the first half of what version 3 writes
        long result = behind(c);
        if (c.arguments[1])
            VALGRIND_MAKE_MEM_DEFINED(c.arguments[1], 2 * sizeof(struct __user_cap_data_struct));
        return result;
    }
    // Those of syscall(2)'s that valgrind knows, and which read or write memory.
    case SYS_getcwd:
    case SYS_capset:
    case SYS_sched_getaffinity:
    case SYS_sched_setaffinity:
    case SYS_sched_setattr:
        return __real_syscall(number, c.arguments[0], c.arguments[1], c.arguments[2], c.arguments[3], c.arguments[4],
                              c.arguments[5]);
    default:
        return behind(c);
    }
}

int __wrap_open_tree(int dir, const char *path, unsigned flags) {
    return (int)behind((system_call){SYS_open_tree, {dir, (long)path, flags}});
}

int __wrap_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
    return (int)behind((system_call){SYS_move_mount, {from, (long)from_path, to, (long)to_path, flags}});
}

int __wrap_fsopen(const char *type, unsigned flags) {
    return (int)behind((system_call){SYS_fsopen, {(long)type, flags}});
}

int __wrap_fsmount(int fs, unsigned flags, unsigned attributes) {
    return (int)behind((system_call){SYS_fsmount, {fs, flags, attributes}});
}

int __wrap_fsconfig(int fs, unsigned command, const char *key, const void *value, int aux) {
    return (int)behind((system_call){SYS_fsconfig, {fs, command, (long)key, (long)value, aux}});
}

int __wrap_mount_setattr(int dir, const char *path, unsigned flags, struct mount_attr *attr, size_t size) {
    return (int)behind((system_call){SYS_mount_setattr, {dir, (long)path, flags, (long)attr, (long)size}});
}

// Not of valgrind's own files, which lie far above.
int __wrap_close_range(unsigned first, unsigned last, int flags) {
    return (int)behind((system_call){SYS_close_range, {first, last < 1000 ? last : 1000, flags}});
}

int __wrap_pidfd_open(pid_t pid, unsigned flags) {
    return (int)behind((system_call){SYS_pidfd_open, {pid, flags}});
}

int __wrap_pidfd_send_signal(int process, int number, siginfo_t *info, unsigned flags) {
    return (int)behind((system_call){SYS_pidfd_send_signal, {process, number, (long)info, flags}});
}

int __wrap_setdomainname(const char *name, size_t length) {
    return (int)behind((system_call){SYS_setdomainname, {(long)name, (long)length}});
}

int __wrap_ioctl(int fd, unsigned long request, void *argument) {
    if (request == TIOCGPTPEER)
        return (int)behind((system_call){SYS_ioctl, {fd, (long)request, (long)argument}});
    return __real_ioctl(fd, request, argument);
}

// The monitor's filter. Valgrind makes calls of its own, which are not in it.
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    return option == PR_SET_SECCOMP ? 0 : __real_prctl(option, a, b, c, d);
}

// /proc/self/exe is valgrind's own program here, and what runs again is what scripts/memory.ts put in front of this
// one. That it is sealed now, which is true of no file, goes along in the environment.
#define SEALED "BULKHEAD_SEALED_UNDER_VALGRIND"

int __wrap_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags) {
    (void)dir, (void)path, (void)envp, (void)flags;
    char program[PATH_MAX] = "", in_front[PATH_MAX + 16];
    // Valgrind answers this one with the program that it runs.
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return -1;
    char *name = strrchr(program, '/');
    snprintf(in_front, sizeof in_front, "%.*s/in-front%s", (int)(name - program), program, name);
    setenv(SEALED, "", 1);
    return execv(in_front, argv);
}

int __wrap_statvfs64(const char *path, struct statvfs *info) {
    int result = __real_statvfs64(path, info);
    if (strcmp(path, "/proc/self/exe") == 0 && getenv(SEALED)) {
        info->f_flag |= ST_RDONLY;
        unsetenv(SEALED);
    }
    return result;
}
