// A terminal opened below a root: its master arrives at the caller's socket, and an impostor is not taken for a pty.
#include "base/cleanup.h"
#include "runtime/console.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int receive_fd(int from, char *name, size_t size) {
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec text = {name, size - 1};
    struct msghdr message = {
        .msg_iov = &text, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(from, &message, 0);
    assert_true(got > 0);
    name[got] = '\0';
    assert_non_null(CMSG_FIRSTHDR(&message));
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static void the_master_of_a_new_terminal_is_sent_to_the_caller(void **state) {
    (void)state;
    cleanup_fd int root = open("/", O_PATH | O_DIRECTORY);
    if (geteuid() != 0 || faccessat(root, "dev/pts/ptmx", F_OK, 0) < 0)
        skip();
    int ends[2];
    char name[64], text[8] = "";
    bh_error err = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    process_config process = {.terminal = true, .columns = 91, .rows = 17};
    cleanup_fd int slave = console_open(&process, root, ends[0], &err);
    if (slave < 0)
        fail_msg("%s", err.message);
    cleanup_fd int master = receive_fd(ends[1], name, sizeof name);
    assert_memory_equal(name, "/dev/pts/", 9);
    struct winsize size;
    assert_int_equal(ioctl(master, TIOCGWINSZ, &size), 0);
    assert_int_equal(size.ws_col, 91);
    assert_int_equal(size.ws_row, 17);
    assert_int_equal(write(slave, "hi", 2), 2);
    assert_int_equal(read(master, text, sizeof text), 2);
    assert_string_equal(text, "hi");
    close(ends[0]);
    close(ends[1]);
}

static void a_plain_file_in_its_place_is_refused(void **state) {
    (void)state;
    char base[] = "/tmp/bulkhead-console-XXXXXX", path[64];
    bh_error err = {0};
    assert_non_null(mkdtemp(base));
    const char *const parts[] = {"dev", "dev/pts"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", base, parts[i]);
        mkdir(path, 0755);
    }
    snprintf(path, sizeof path, "%s/dev/pts/ptmx", base);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
    cleanup_fd int root = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    process_config process = {.terminal = true};
    assert_int_equal(console_open(&process, root, -1, &err), -1);
    assert_non_null(strstr(err.message, "/dev/pts/ptmx is on file system"));
    unlink(path);
    for (int i = 1; i >= 0; i--) {
        snprintf(path, sizeof path, "%s/%s", base, parts[i]);
        rmdir(path);
    }
    rmdir(base);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_master_of_a_new_terminal_is_sent_to_the_caller),
        cmocka_unit_test(a_plain_file_in_its_place_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
