// The shipped seccomp profiles, compiled and loaded in a child that then tries what they refuse.
#include "runtime/seccomp.h"
#include "seccomp/profiles.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// errno of the system call with these arguments; 0 if it succeeded.
static int answer(long number, unsigned long a, unsigned long b, unsigned long c) {
    errno = 0;
    return syscall(number, a, b, c, 0, 0, 0) < 0 ? errno : 0;
}

// What both profiles refuse. The exit status is the number of the first line that is not as it should be.
static int try_common(void) {
    const unsigned long junk = 1ul << 32; // the kernel does not look at the upper half of these arguments
    if (answer(SYS_clone3, 0, 0, 0) != ENOSYS)
        return __LINE__;
    if (answer(SYS_socket, 38, SOCK_SEQPACKET, 0) != EAFNOSUPPORT || // AF_ALG
        answer(SYS_socket, junk | 38, SOCK_SEQPACKET, 0) != EAFNOSUPPORT ||
        answer(SYS_socket, AF_VSOCK, SOCK_STREAM, 0) != EAFNOSUPPORT ||
        answer(SYS_socket, AF_KEY, SOCK_RAW, 2) != EAFNOSUPPORT)
        return __LINE__;
    if (answer(SYS_socket, AF_NETLINK, SOCK_RAW, 6) != EPROTONOSUPPORT || // NETLINK_XFRM
        answer(SYS_socket, AF_NETLINK, SOCK_RAW, 0) != 0 || answer(SYS_socket, AF_UNIX, SOCK_STREAM, 0) != 0)
        return __LINE__;
    if (answer(SYS_socketpair, AF_INET, SOCK_STREAM, 0) != EAFNOSUPPORT ||
        answer(SYS_socketpair, junk | AF_UNIX, SOCK_STREAM, 0) != EAFNOSUPPORT ||
        answer(SYS_socket, AF_INET, SOCK_STREAM, 132) != EPROTONOSUPPORT || // SCTP
        answer(SYS_socket, AF_INET6, SOCK_STREAM, junk | 132) != EPROTONOSUPPORT ||
        answer(SYS_socket, AF_INET, SOCK_STREAM, 262) != EPROTONOSUPPORT || // MPTCP
        answer(SYS_socket, AF_INET, SOCK_DGRAM, IPPROTO_UDP) != 0)
        return __LINE__;
    if (answer(SYS_ioctl, 0, TIOCSTI, 0) != EPERM || answer(SYS_ioctl, 0, junk | TIOCSTI, 0) != EPERM ||
        answer(SYS_ioctl, 0, 0x541c, 0) != EPERM) // TIOCLINUX
        return __LINE__;
    const long refused[] = {
        SYS_io_uring_setup,    SYS_userfaultfd, SYS_bpf,        SYS_perf_event_open, SYS_keyctl,
        SYS_add_key,           SYS_request_key, SYS_kexec_load, SYS_init_module,     SYS_finit_module,
        SYS_open_by_handle_at, SYS_reboot};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (answer(refused[i], 0, 0, 0) != EPERM)
            return __LINE__;
    return answer(SYS_getppid, 0, 0, 0) == 0 ? 0 : __LINE__;
}

static int try_hardened(void) {
    const long refused[] = {SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_fsopen};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (answer(refused[i], 0, 0, 0) != EPERM)
            return __LINE__;
    if (answer(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0) != EPERM)
        return __LINE__;
    return answer(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0) == EPERM ? 0 : __LINE__;
}

static int try_nested(void) {
    return answer(SYS_unshare, 0, 0, 0) == 0 ? 0 : __LINE__;
}

static int in_child(const char *profile, int (*more)(void)) {
    bh_error err = {0};
    seccomp_program program = {0};
    json_t *document = json_loads(profile, 0, NULL);
    assert_non_null(document);
    if (seccomp_compile(document, &program, &err) < 0)
        fail_msg("%s", err.message);
    json_decref(document);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (seccomp_apply(&program, &err) < 0)
            _exit(1);
        int line = try_common();
        line = line ? line : more();
        seccomp_free(&program);
        _exit(line);
    }
    seccomp_free(&program);
    int status;
    waitpid(child, &status, 0);
    return status;
}

static void hardened_refuses_what_it_should(void **state) {
    (void)state;
    assert_int_equal(in_child(seccomp_hardened_json, try_hardened), 0);
}

static void nested_lets_its_root_make_namespaces(void **state) {
    (void)state;
    assert_int_equal(in_child(seccomp_nested_json, try_nested), 0);
}

static void what_a_profile_cannot_mean_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerMetadata\":\"x\"}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_PDP11\"]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"KILL\"}]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\","
        "\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bh_error err = {0};
        seccomp_program program = {0};
        json_t *document = json_loads(bad[i], 0, NULL);
        assert_int_equal(seccomp_compile(document, &program, &err), -1);
        assert_non_null(strstr(err.message, "linux.seccomp"));
        json_decref(document);
    }
}

static void a_program_too_long_for_the_kernel_is_refused(void **state) {
    (void)state;
    json_t *rules = json_array();
    for (json_int_t value = 0; value < 3000; value++)
        json_array_append_new(rules, json_pack("{s:[s], s:s, s:[{s:i, s:I, s:s}]}", "names", "socket", "action",
                                               "SCMP_ACT_ALLOW", "args", "index", 0, "value", value << 33 | value, "op",
                                               "SCMP_CMP_EQ"));
    json_t *document = json_pack("{s:s, s:o}", "defaultAction", "SCMP_ACT_ERRNO", "syscalls", rules);
    bh_error err = {0};
    seccomp_program program = {0};
    assert_int_equal(seccomp_compile(document, &program, &err), -1);
    assert_non_null(strstr(err.message, "of which the kernel takes 4096"));
    json_decref(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hardened_refuses_what_it_should),
        cmocka_unit_test(nested_lets_its_root_make_namespaces),
        cmocka_unit_test(what_a_profile_cannot_mean_is_refused),
        cmocka_unit_test(a_program_too_long_for_the_kernel_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
