// QEMU's outer filter: see vm_seccomp.h. A list of what is refused and not of what is allowed: QEMU changes which calls
// it makes with every version, and a VM that dies of a call that nobody thought of is worth less than one that may make
// it.
#include "broker/vm_seccomp.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/socket.h>

// What only a QEMU that was taken over does. It ends, and all of it: QEMU 7.2's own filter ends the thread that
// called unshare, setns or execveat and leaves the others, a VM that is neither alive nor seen to have died.
static const int deadly[] = {
    SCMP_SYS(unshare),       SCMP_SYS(setns),
    SCMP_SYS(execveat),      SCMP_SYS(ptrace),
    SCMP_SYS(pidfd_getfd),   SCMP_SYS(process_vm_readv),
    SCMP_SYS(mount),         SCMP_SYS(process_vm_writev),
    SCMP_SYS(umount2),       SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),        SCMP_SYS(mount_setattr),
    SCMP_SYS(open_tree),     SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),        SCMP_SYS(fspick),
    SCMP_SYS(init_module),   SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(kexec_load),    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),        SCMP_SYS(swapon),
    SCMP_SYS(acct),          SCMP_SYS(quotactl),
    SCMP_SYS(mknod),         SCMP_SYS(mknodat),
};

// What a QEMU may try at its start and does without: wide pieces of kernel, and the key rings, which are shared by
// user and session and not by any namespace of its.
static const struct {
    int call, code;
} refused[] = {
    {SCMP_SYS(io_uring_setup), ENOSYS}, // QEMU then waits by epoll(7)
    {SCMP_SYS(io_uring_enter), ENOSYS}, {SCMP_SYS(io_uring_register), ENOSYS},
    {SCMP_SYS(userfaultfd), EPERM},     {SCMP_SYS(bpf), EPERM},
    {SCMP_SYS(perf_event_open), EPERM}, {SCMP_SYS(add_key), EPERM},
    {SCMP_SYS(request_key), EPERM},     {SCMP_SYS(keyctl), EPERM},
};

static int fill(scmp_filter_ctx filter) {
    int failed = 0;
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)refused[i].code), refused[i].call, 0);
    // A network namespace does not hold AF_VSOCK, which reaches the host and its other VMs (vsock(7)); the other
    // families are so much code. Compared in full, so that bits which the kernel ignores make no other family of one.
    const struct scmp_arg_cmp other_family = {.arg = 0, .op = SCMP_CMP_NE, .datum_a = AF_UNIX};
    static const int sockets[] = {SCMP_SYS(socket), SCMP_SYS(socketpair)};
    for (size_t i = 0; i < 2 && !failed; i++)
        failed = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), sockets[i], 1, &other_family);
    return failed;
}

int vm_seccomp_load(bh_error *err) {
    // Calls by another architecture's numbers end the process: libseccomp's own default.
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return bh_fail(err, ENOMEM, "cannot make QEMU's seccomp filter");
    int failed = fill(filter);
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    return failed ? bh_fail(err, -failed, "cannot load QEMU's seccomp filter") : 0;
}
