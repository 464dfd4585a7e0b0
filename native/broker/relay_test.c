// A relay between two socket pairs: bytes and frames, credit both ways, both ends' ends, and peers that break the
// rules.
#include "broker/relay.h"

#include "base/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int peer, program; // our ends
static pid_t relay;
static frame_reader reader;
static size_t output, credit;
static bool ended;
static int status;

static int set_up(void **state) {
    (void)state;
    int with_peer[2], with_program[2];
    bh_error err;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, with_peer) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, with_program) < 0)
        return -1;
    relay = fork();
    if (relay == 0) {
        close(with_peer[0]);
        close(with_program[0]);
        loop *l = loop_new(&err);
        int result = l ? relay_run(l, with_peer[1], with_program[1], &err) : -1;
        loop_free(l);
        _exit(result < 0);
    }
    close(with_peer[1]);
    close(with_program[1]);
    peer = with_peer[0];
    program = with_program[0];
    reader = (frame_reader){0};
    output = credit = 0;
    ended = false;
    status = -1;
    return relay < 0 ? -1 : 0;
}

static int tear_down(void **state) {
    (void)state;
    close(peer);
    close(program);
    frame_reader_clear(&reader);
    waitpid(relay, NULL, 0);
    return 0;
}

static void say(frame f) {
    static uint8_t bytes[FRAME_MAX + FRAME_LENGTH_SIZE];
    size_t length = frame_write(&f, bytes, sizeof bytes);
    assert_true(length > 0);
    for (size_t at = 0; at < length;) {
        ssize_t put = send(peer, bytes + at, length - at, MSG_NOSIGNAL);
        if (put < 0)
            return; // the relay has left: what it did is what is tested
        at += (size_t)put;
    }
}

static void say_input(size_t length) {
    static const uint8_t bytes[FRAME_MAX];
    say((frame){.opcode = FRAME_INPUT, .input = {bytes, length}});
}

static int note(void *context, const frame *f, bh_error *err) {
    (void)context;
    (void)err;
    if (f->opcode == FRAME_OUTPUT) {
        assert_int_equal(f->output.offset, output);
        output += f->output.length;
    } else if (f->opcode == FRAME_MONITOR_CREDIT) {
        credit += f->credit;
    } else {
        assert_int_equal(f->opcode, FRAME_EXIT);
        ended = true;
        status = f->exit.status;
    }
    return 0;
}

// What the relay says until there are so many bytes of output and of credit, or it has ended its side. False: it has.
static bool hear(size_t wanted_output, size_t wanted_credit) {
    while (output < wanted_output || credit < wanted_credit) {
        uint8_t bytes[4096];
        bh_error err;
        ssize_t got = recv(peer, bytes, sizeof bytes, 0);
        if (got <= 0)
            return false;
        assert_int_equal(frame_reader_feed(&reader, bytes, (size_t)got, note, NULL, &err), 0);
    }
    return true;
}

static void give(size_t length) {
    static const uint8_t bytes[65536];
    for (size_t at = 0; at < length;) {
        ssize_t put = send(program, bytes, length - at < sizeof bytes ? length - at : sizeof bytes, MSG_NOSIGNAL);
        assert_true(put > 0);
        at += (size_t)put;
    }
}

static size_t take(size_t length) {
    uint8_t bytes[65536];
    size_t taken = 0;
    for (ssize_t got = 1; got > 0 && taken < length; taken += got > 0 ? (size_t)got : 0)
        got = recv(program, bytes, sizeof bytes, 0);
    return taken;
}

static int outcome(void) {
    int how;
    assert_int_equal(waitpid(relay, &how, 0), relay);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

static void bytes_go_both_ways(void **state) {
    (void)state;
    say((frame){.opcode = FRAME_INPUT, .input = {(const uint8_t *)"hello", 5}});
    char text[8] = "";
    assert_int_equal(recv(program, text, 5, MSG_WAITALL), 5);
    assert_string_equal(text, "hello");
    give(100);
    assert_true(hear(100, 0));
    assert_int_equal(output, 100);
}

static void no_more_is_sent_than_was_granted(void **state) {
    (void)state;
    give(RELAY_WINDOW); // as much as is taken without a reader
    assert_true(hear(RELAY_WINDOW, 0));
    give(1000);
    // Nothing comes of these until they are granted: what answers first is the credit for input.
    for (int i = 0; i < 4; i++)
        say_input(RELAY_WINDOW / 16);
    assert_int_equal(take(RELAY_WINDOW / 4), RELAY_WINDOW / 4);
    assert_true(hear(0, RELAY_WINDOW / 4));
    assert_int_equal(output, RELAY_WINDOW);
    say((frame){.opcode = FRAME_VIEWER_CREDIT, .credit = 600});
    assert_true(hear(RELAY_WINDOW + 600, 0));
    assert_int_equal(output, RELAY_WINDOW + 600);
}

static void the_programs_end_is_told_after_its_last_byte(void **state) {
    (void)state;
    give(70000);
    shutdown(program, SHUT_WR);
    assert_false(hear(SIZE_MAX, 0));
    assert_int_equal(output, 70000);
    assert_true(ended);
    assert_int_equal(status, 0);
    say((frame){.opcode = FRAME_VIEWER_CREDIT, .credit = 70000}); // harmless, though late
    close(peer);
    peer = -1;
    assert_int_equal(outcome(), 0);
}

static void what_was_sent_before_the_peer_left_arrives(void **state) {
    (void)state;
    for (int i = 0; i < 16; i++)
        say_input(RELAY_WINDOW / 16);
    close(peer);
    peer = -1;
    assert_int_equal(take(RELAY_WINDOW + 1), RELAY_WINDOW);
    assert_int_equal(outcome(), 0);
}

static void more_input_than_was_granted_is_the_end(void **state) {
    (void)state;
    // The program reads nothing: more is granted only for what its socket's buffer takes, which is some 200 KiB.
    for (int i = 0; i < 64; i++)
        say_input(RELAY_WINDOW / 16);
    assert_int_equal(outcome(), 1);
}

static void credit_beyond_the_window_is_the_end(void **state) {
    (void)state;
    say((frame){.opcode = FRAME_VIEWER_CREDIT, .credit = 1});
    assert_int_equal(outcome(), 1);
}

static void a_frame_of_another_protocol_is_the_end(void **state) {
    (void)state;
    say((frame){.opcode = FRAME_RESIZE, .size = {80, 24}});
    assert_int_equal(outcome(), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_go_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_more_is_sent_than_was_granted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_programs_end_is_told_after_its_last_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_sent_before_the_peer_left_arrives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_input_than_was_granted_is_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(credit_beyond_the_window_is_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_frame_of_another_protocol_is_the_end, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
