// A QEMU that says more than any does, and one that says what it should.
#include "broker/vm_watch.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Time for a flood to be noticed in; a loop that never comes back is ended by SIGALRM.
#define FLOOD_MS 1000
#define PATIENCE_S 60

static char dir[32];
static broker b;
static machine *m;
static pid_t qemu;

static void end_run(loop_timer *timer) {
    (void)timer;
    loop_stop(b.loop);
}

// Accepts, greets, and says `text` so many times; its exit status is 0 if that was one too many for the listener.
static _Noreturn void be_qemu(int listening, const char *text, int times) {
    int fd = accept(listening, NULL, NULL);
    static const char greeting[] = "{\"QMP\": {}}\r\n";
    bool heard = send(fd, greeting, sizeof greeting - 1, MSG_NOSIGNAL) > 0;
    for (int i = 0; heard && i < times; i++)
        heard = send(fd, text, strlen(text), MSG_NOSIGNAL) > 0;
    _exit(heard ? 1 : 0);
}

static void begin(const char *text, int times) {
    bh_error err;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(dir, "/tmp/bulkhead-watch-XXXXXX");
    assert_non_null(mkdtemp(dir));
    b = (broker){.config.state_dir = dir, .loop = loop_new(&err)};
    m = machine_new("m");
    assert_non_null(m);
    m->broker = &b;
    assert_int_equal(fs_make_dirs(machine_dir(&b, "m").text, 0700, &err), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", machine_file(&b, "m", "events.sock").text);
    cleanup_fd int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listening, 1), 0);
    if ((qemu = fork()) == 0)
        be_qemu(listening, text, times);
    assert_int_equal(vm_watch_start(m, &err), 0);
}

// Runs the loop for a while, and gives what the QEMU ended with.
static int run(vm_news *news) {
    loop_timer timer = {.fire = end_run};
    bh_error err;
    int status = -1;
    loop_timer_start(b.loop, &timer, FLOOD_MS);
    alarm(PATIENCE_S);
    assert_int_equal(loop_run(b.loop, &err), 0);
    // While it is still listened to, if it is.
    assert_int_equal(waitpid(qemu, &status, 0), qemu);
    alarm(0);
    *news = vm_watch_finish(m);
    machine_free(m);
    loop_free(b.loop);
    assert_int_equal(fs_remove_tree(AT_FDCWD, dir, &err), 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_flood(void **state) {
    (void)state;
    vm_news news;
    begin("{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 1}}\r\n", INT32_MAX);
    assert_int_equal(run(&news), 0);
}

static void test_panic(void **state) {
    (void)state;
    vm_news news;
    begin("{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"pause\"}}\r\n", 1);
    assert_int_equal(run(&news), 1);
    assert_true(news.panicked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_panic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
