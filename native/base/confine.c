// Giving privileges up: see confine.h. The monitor reads what strangers type and print for as long as they like, and
// needs nothing but the descriptors it has.
#include "base/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int drop_capabilities(bh_error *err) {
    // While CAP_SETPCAP is still there. EINVAL: beyond the last capability this kernel knows.
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability) < 0 && errno != EPERM)
            return bh_fail(err, errno, "cannot drop capability %lu from the bounding set", capability);
    return 0;
}

static int become(uid_t uid, gid_t gid, bh_error *err) {
    if (uid == (uid_t)-1)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return bh_fail(err, errno, "cannot become user %u, group %u", uid, gid);
    return 0;
}

static int clear_capabilities(bh_error *err) {
    cap_t none = cap_init();
    int result = none ? cap_set_proc(none) : -1;
    int code = errno;
    cap_free(none);
    return result < 0 ? bh_fail(err, code, "cannot give up capabilities") : 0;
}

#if defined(__x86_64__)
#define HERE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define HERE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define HERE AUDIT_ARCH_AARCH64
#else
#error "name this architecture's AUDIT_ARCH"
#endif

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

// Written out rather than made by libseccomp: its tables would stay in the memory of every monitor. A call that is not
// listed fails with EPERM, because killing a monitor would end somebody's shell.
static const struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HERE, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    // The pty, the viewers and the status file.
    ALLOW(read),
    ALLOW(write),
    ALLOW(ioctl),
    ALLOW(sendmsg),
    ALLOW(sendto),
    ALLOW(recvfrom),
    ALLOW(shutdown),
    ALLOW(close),
    ALLOW(accept4),
    // The loop and the child.
    ALLOW(epoll_ctl),
#ifdef __NR_epoll_wait
    ALLOW(epoll_wait),
#endif
    ALLOW(epoll_pwait),
    ALLOW(clock_gettime),
    ALLOW(wait4),
    ALLOW(restart_syscall),
    ALLOW(rt_sigreturn),
#ifdef __i386__
    ALLOW(socketcall),
    ALLOW(waitpid),
    ALLOW(clock_gettime64),
    ALLOW(mmap2),
#endif
    // malloc, and an end.
    ALLOW(brk),
    ALLOW(mmap),
    ALLOW(mremap),
    ALLOW(munmap),
    ALLOW(madvise),
    ALLOW(getrandom),
    ALLOW(exit_group),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

int confine(uid_t uid, gid_t gid, bh_error *err) {
    if (drop_capabilities(err) < 0 || become(uid, gid, err) < 0 || clear_capabilities(err) < 0)
        return -1;
    // Not dumpable: nobody of the same uid may trace it, and its /proc/self belongs to root.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot give up privileges");
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = (struct sock_filter *)filter};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
        return bh_fail(err, errno, "cannot set the seccomp filter");
    return 0;
}
