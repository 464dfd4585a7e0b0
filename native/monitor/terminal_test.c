// A terminal on a real pty, with viewers over socket pairs, driven by the loop.
#include "monitor/terminal.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include <cmocka.h>

enum { RING = 65536, FLOOD = 4 * RING };

static bh_error err;
static loop *l;
static terminal *t;
static int slave;
static int ended_status;

static void note_end(void *context, uint8_t kind, int32_t status) {
    (void)context;
    ended_status = kind * 1000 + status;
}

static int set_up(void **state) {
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || unlockpt(master) < 0)
        return -1;
    slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
    struct termios raw;
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    ended_status = -1;
    l = loop_new(&err);
    t = l ? terminal_new(l, master, (frame_size){80, 24}, RING, note_end, NULL, &err) : NULL;
    return t ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    terminal_free(t);
    loop_free(l);
    if (slave >= 0)
        close(slave);
    return 0;
}

static void stop_loop(loop_timer *timer) {
    (void)timer;
    loop_stop(l);
}

// Lets everything happen that does not need longer than `ms`.
static void run_for(uint64_t ms) {
    loop_timer timer = {.fire = stop_loop};
    loop_timer_start(l, &timer, ms);
    assert_int_equal(loop_run(l, &err), 0);
}

static void say(int peer, frame f) {
    uint8_t bytes[FRAME_SMALL + 5000];
    size_t length = frame_write(&f, bytes, sizeof bytes);
    assert_int_equal(send(peer, bytes, length, 0), length);
}

static int attach(uint32_t credit, frame_size wish) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    terminal_add_viewer(t, ends[0]);
    say(ends[1], (frame){.opcode = FRAME_ROLE, .role = FRAME_MAY_TYPE});
    say(ends[1], (frame){.opcode = FRAME_ATTACH, .attach = {.version = 1, .credit = credit, .size = wish}});
    return ends[1];
}

// Prints until the pty is full or `most` bytes have been printed; returns how many.
static size_t print(size_t most) {
    static char bytes[4096];
    size_t printed = 0;
    memset(bytes, 'x', sizeof bytes);
    while (printed < most) {
        size_t wanted = most - printed < sizeof bytes ? most - printed : sizeof bytes;
        ssize_t length = write(slave, bytes, wanted);
        if (length <= 0)
            break;
        printed += (size_t)length;
    }
    return printed;
}

// Prints, letting the terminal read, until it has taken no more for a tenth of a second, or `most`. What is printed
// gets to the terminal's end by a worker of the kernel's, which a busy machine keeps waiting.
static size_t flood(size_t most) {
    size_t printed = 0;
    for (int idle = 0; printed < most && idle < 20;) {
        size_t more = print(most - printed);
        printed += more;
        idle = more > 0 ? 0 : idle + 1;
        run_for(5);
    }
    return printed;
}

static void the_program_is_told_the_size_at_once_and_when_it_changes(void **state) {
    (void)state;
    struct winsize size;
    assert_int_equal(ioctl(slave, TIOCGWINSZ, &size), 0);
    assert_int_equal(size.ws_col, 80);
    cleanup_fd int peer = attach(0, (frame_size){100, 30});
    run_for(5);
    assert_int_equal(ioctl(slave, TIOCGWINSZ, &size), 0);
    assert_int_equal(size.ws_col, 100);
    assert_int_equal(size.ws_row, 30);
}

static void a_flood_waits_for_a_lone_viewer_longer_than_a_second_and_not_for_ever(void **state) {
    (void)state;
    cleanup_fd int peer = attach(100, (frame_size){0, 0});
    run_for(5);
    size_t printed = flood(FLOOD);
    // 100 were sent, a ring waits, and the kernel's own buffers hold the rest.
    assert_true(printed >= 100 + RING);
    assert_true(printed < FLOOD);
    run_for(VIEWER_PATIENCE_MS + 50);
    assert_true(flood(FLOOD) < FLOOD);
    run_for(VIEWER_LONE_PATIENCE_MS - VIEWER_PATIENCE_MS);
    assert_true(flood(FLOOD) == FLOOD);
}

static void a_flood_waits_a_second_for_a_viewer_where_another_is_watching(void **state) {
    (void)state;
    cleanup_fd int stopped = attach(100, (frame_size){0, 0});
    cleanup_fd int reader = attach(100 * RING, (frame_size){0, 0});
    run_for(5);
    assert_true(flood(FLOOD) < FLOOD);
    run_for(VIEWER_PATIENCE_MS + 50);
    // The reader has been sent everything there was, so it keeps up, and the other is waited for no longer.
    char bytes[4096];
    while (recv(reader, bytes, sizeof bytes, 0) > 0)
        ;
    assert_true(flood(RING) == RING);
}

static void a_flood_nobody_watches_waits_for_nobody(void **state) {
    (void)state;
    assert_int_equal(flood(FLOOD), FLOOD);
}

static void two_who_type_take_turns(void **state) {
    (void)state;
    uint8_t paste[3000];
    memset(paste, 'p', sizeof paste);
    cleanup_fd int pasting = attach(0, (frame_size){0, 0});
    cleanup_fd int other = attach(0, (frame_size){0, 0});
    run_for(5);
    for (int i = 0; i < 20; i++) // more than a pty that is not read takes
        say(pasting, (frame){.opcode = FRAME_INPUT, .input = {paste, sizeof paste}});
    say(other, (frame){.opcode = FRAME_INPUT, .input = {(const uint8_t *)"!", 1}});
    run_for(5);
    size_t taken = 0, at = 0;
    char bytes[4096];
    for (int round = 0; round < 100 && taken < 20 * sizeof paste + 1; round++) {
        ssize_t length;
        while ((length = read(slave, bytes, sizeof bytes)) > 0) {
            const char *mark = memchr(bytes, '!', (size_t)length);
            if (mark)
                at = taken + (size_t)(mark - bytes);
            taken += (size_t)length;
        }
        run_for(5);
    }
    assert_int_equal(taken, 20 * sizeof paste + 1);
    assert_true(at > 0);
    assert_true(at < 20 * sizeof paste);
}

static void what_one_typed_before_leaving_still_arrives(void **state) {
    (void)state;
    int peer = attach(0, (frame_size){0, 0});
    run_for(5);
    say(peer, (frame){.opcode = FRAME_INPUT, .input = {(const uint8_t *)"bye", 3}});
    close(peer);
    run_for(5);
    char bytes[10];
    assert_int_equal(read(slave, bytes, sizeof bytes), 3);
    assert_memory_equal(bytes, "bye", 3);
}

static void a_terminal_ends_after_its_last_words_though_another_program_holds_it(void **state) {
    (void)state;
    cleanup_fd int peer = attach(RING, (frame_size){0, 0});
    run_for(5);
    assert_int_equal(print(100), 100);
    terminal_program_exited(t, 3 << 8);
    assert_int_equal(ended_status, 3);
    run_for(5);
    uint8_t bytes[500];
    ssize_t length = recv(peer, bytes, sizeof bytes, 0);
    // WELCOME, OUTPUT, EXIT.
    assert_int_equal(length, 4 + 27 + FRAME_OUTPUT_HEAD + 100 + 4 + 6);
    assert_int_equal(recv(peer, bytes, sizeof bytes, 0), 0);
}

static void a_program_left_behind_cannot_keep_it_alive_by_printing(void **state) {
    (void)state;
    print(FLOOD);
    terminal_program_exited(t, 9);
    for (int i = 0; i < 1000 && ended_status < 0; i++) {
        print(FLOOD);
        run_for(1);
    }
    assert_int_equal(ended_status, 1009);
}

static void a_pty_nobody_has_open_is_taken_up_again(void **state) {
    (void)state;
    char name[64];
    assert_int_equal(ttyname_r(slave, name, sizeof name), 0);
    close(slave);
    run_for(20);
    slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
    cleanup_fd int peer = attach(100, (frame_size){0, 0});
    assert_int_equal(print(5), 5);
    run_for(300);
    uint8_t bytes[200];
    assert_int_equal(recv(peer, bytes, sizeof bytes, 0), 4 + 27 + FRAME_OUTPUT_HEAD + 5);
}

static void viewers_are_bounded(void **state) {
    (void)state;
    int peers[TERMINAL_VIEWERS_MAX + 1];
    uint8_t bytes[100];
    for (int i = 0; i < TERMINAL_VIEWERS_MAX; i++)
        peers[i] = attach(0, (frame_size){0, 0});
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    terminal_add_viewer(t, ends[0]);
    peers[TERMINAL_VIEWERS_MAX] = ends[1];
    run_for(5);
    assert_int_equal(recv(peers[0], bytes, sizeof bytes, 0), 4 + 27);
    assert_int_equal(recv(peers[TERMINAL_VIEWERS_MAX], bytes, sizeof bytes, 0), 0);
    for (int i = 0; i <= TERMINAL_VIEWERS_MAX; i++)
        close(peers[i]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_program_is_told_the_size_at_once_and_when_it_changes),
        TEST(a_flood_waits_for_a_lone_viewer_longer_than_a_second_and_not_for_ever),
        TEST(a_flood_waits_a_second_for_a_viewer_where_another_is_watching),
        TEST(a_flood_nobody_watches_waits_for_nobody),
        TEST(two_who_type_take_turns),
        TEST(what_one_typed_before_leaving_still_arrives),
        TEST(a_terminal_ends_after_its_last_words_though_another_program_holds_it),
        TEST(a_program_left_behind_cannot_keep_it_alive_by_printing),
        TEST(a_pty_nobody_has_open_is_taken_up_again),
        TEST(viewers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
