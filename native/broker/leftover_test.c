// A broker waits for what jobs of an earlier one are at, and for nothing else. This program plays the runtime itself.
#include "base/cleanup.h"
#include "broker/leftover.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct actor {
    pid_t pid;
    int leash; // it ends once this is closed
} actor;

static broker some_broker(void) {
    static char state_dir[64];
    snprintf(state_dir, sizeof state_dir, "/tmp/bh-leftover-%d", (int)getpid());
    return (broker){.config.state_dir = state_dir};
}

// Returns once it runs under the command line `argv`.
static actor play(char *const argv[]) {
    int leash[2], begun[2];
    assert_int_equal(pipe2(leash, O_CLOEXEC), 0);
    assert_int_equal(pipe2(begun, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(leash[0], 0);
        execv("/proc/self/exe", argv); // closes its end of `begun`
        _exit(127);
    }
    close(leash[0]);
    close(begun[1]);
    char byte;
    assert_int_equal(read(begun[0], &byte, 1), 0);
    close(begun[0]);
    return (actor){pid, leash[1]};
}

static void end(actor a) {
    close(a.leash);
    int status;
    assert_int_equal(waitpid(a.pid, &status, 0), a.pid);
    assert_int_equal(status, 0);
}

// A process that waits as a broker does, and then ends.
static pid_t wait_in_a_process(const broker *b, int leash) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(leash); // else nobody could let go of it
        leftovers_await(b);
        _exit(0);
    }
    return pid;
}

static void a_runtime_at_work_is_waited_for(void **state) {
    (void)state;
    broker b = some_broker();
    state_name root = runtime_root(&b);
    char *argv[] = {"/opt/bulkhead", "--root", root.text, "delete", "--force", "box", NULL};
    actor runtime = play(argv);
    pid_t waiting = wait_in_a_process(&b, runtime.leash);
    cleanup_fd int watched = pidfd_open(waiting, 0);
    struct pollfd ended = {.fd = watched, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 200), 0); // it waits
    end(runtime);
    assert_int_equal(poll(&ended, 1, 5000), 1);
    int status;
    assert_int_equal(waitpid(waiting, &status, 0), waiting);
    assert_int_equal(status, 0);
}

static void others_are_not_waited_for(void **state) {
    (void)state;
    broker b = some_broker();
    state_name root = runtime_root(&b);
    char *lines[][6] = {
        {"bulkhead", "--root", root.text, "exec", "run", NULL}, // a terminal's, in a machine that is called run
        {"bulkhead", "--root", "/elsewhere", "delete", "box", NULL},
        {"bulkheadd", "--root", root.text, "delete", "box", NULL},
        {"bulkhead", "--root", root.text, "list", NULL, NULL},
        {"bulkhead", "--root", NULL, NULL, NULL, NULL},
    };
    enum { COUNT = sizeof lines / sizeof *lines };
    actor actors[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        actors[i] = play(lines[i]);
    leftovers_await(&b); // returns, or the alarm of main ends this
    for (size_t i = 0; i < COUNT; i++)
        end(actors[i]);
}

int main(int argc, char *argv[]) {
    (void)argv;
    char byte;
    if (argc > 1)
        return (int)read(0, &byte, 1);
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runtime_at_work_is_waited_for),
        cmocka_unit_test(others_are_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
