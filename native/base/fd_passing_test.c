// Open files on their way through sockets, whole or in the pieces that a stream takes.
#include "base/cleanup.h"
#include "base/fd_passing.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static bool same_file(int a, int b) {
    struct stat one, other;
    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static void a_file_arrives_with_its_text_and_closes_on_exec(void **state) {
    (void)state;
    int ends[2];
    char text[16] = "";
    bh_error err = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    cleanup_fd int one = ends[0], other = ends[1], file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_send(one, "hello", 5, file, &err), 0);
    int fd;
    assert_int_equal(fd_receive(other, text, sizeof text, &fd, &err), 5);
    cleanup_fd int arrived = fd;
    assert_string_equal(text, "hello");
    assert_true(same_file(file, arrived));
    assert_int_equal(fcntl(arrived, F_GETFD), FD_CLOEXEC);
}

static void a_text_without_a_file_brings_none(void **state) {
    (void)state;
    int ends[2], fd = 7;
    char text[16];
    bh_error err = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    cleanup_fd int one = ends[0], other = ends[1];
    assert_int_equal(send(one, "x", 1, 0), 1);
    assert_int_equal(fd_receive(other, text, sizeof text, &fd, &err), 1);
    assert_int_equal(fd, -1);
    close(take_fd(&one));
    assert_int_equal(fd_receive(other, text, sizeof text, &fd, &err), 0);
}

static void what_a_stream_cannot_take_at_once_follows(void **state) {
    (void)state;
    enum { LENGTH = 1 << 20 };
    int ends[2];
    bh_error err = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    cleanup_fd int one = ends[0], other = ends[1], file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t sender = fork();
    if (sender == 0) {
        static const char much[LENGTH];
        _exit(fd_send(one, much, LENGTH, file, &err) == 0 ? 0 : 1);
    }
    close(take_fd(&one));
    size_t length = 0, files = 0;
    char piece[4096];
    int fd;
    for (ssize_t got; (got = fd_receive(other, piece, sizeof piece, &fd, &err)) > 0; length += (size_t)got) {
        cleanup_fd int arrived = fd;
        files += arrived >= 0 && same_file(file, arrived);
    }
    int status;
    waitpid(sender, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(length, LENGTH);
    assert_int_equal(files, 1); // with the first piece, and no other
}

static void who_does_not_listen_is_named(void **state) {
    (void)state;
    char path[300];
    bh_error err = {0};
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(fd_connect("/no/such/socket", &err), -1);
    assert_int_equal(err.code, ENOENT);
    assert_non_null(strstr(err.message, "cannot connect to /no/such/socket"));
    assert_int_equal(fd_connect(path, &err), -1);
    assert_int_equal(err.code, ENAMETOOLONG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_arrives_with_its_text_and_closes_on_exec),
        cmocka_unit_test(a_text_without_a_file_brings_none),
        cmocka_unit_test(what_a_stream_cannot_take_at_once_follows),
        cmocka_unit_test(who_does_not_listen_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
