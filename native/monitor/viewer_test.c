// One viewer over a socket pair: the order of frames, credit both ways, loss, the size rule, garbage.
#include "monitor/viewer.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { RING = 4096 };

static bh_error err;
static terminal_output output;
static past screen_before;
static viewer *v;
static int peer; // the other end of the viewer's connection

static int set_up(void **state) {
    (void)state;
    int ends[2];
    output = (terminal_output){.size = {80, 24}, .past = &screen_before};
    screen_before = (past){0};
    past_note_size(&screen_before, 0, output.size);
    if (ring_open(&output.ring, RING, &err) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
        return -1;
    peer = ends[1];
    v = viewer_new(ends[0], &output);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    viewer_free(v);
    close(peer);
    ring_close(&output.ring);
    past_close(&screen_before);
    return 0;
}

static int say(frame f) {
    uint8_t bytes[FRAME_SMALL + 100];
    size_t length = frame_write(&f, bytes, sizeof bytes);
    assert_true(length > 0);
    assert_int_equal(send(peer, bytes, length, 0), length);
    return viewer_receive(v, &err);
}

static int attach(uint8_t role, uint64_t offset, uint32_t credit) {
    if (say((frame){.opcode = FRAME_ROLE, .role = role}) < 0)
        return -1;
    return say((frame){.opcode = FRAME_ATTACH,
                       .attach = {.version = 1, .offset = offset, .credit = credit, .size = {100, 30}}});
}

static void print(size_t length) {
    for (size_t i = 0; i < length; i++) {
        size_t room;
        if (output.ring.head >= output.ring.capacity)
            past_take(&screen_before, &output.ring, output.ring.head + 1 - output.ring.capacity);
        *ring_room(&output.ring, &room) = (uint8_t)((output.ring.head + 1) % 64 == 0 ? '\n' : 'a');
        ring_advance(&output.ring, 1);
    }
}

// What was sent, as text: one word a frame.
static char heard[4000];

static int hear(void *context, const frame *f, bh_error *problem) {
    (void)context;
    (void)problem;
    size_t at = strlen(heard);
    char *to = heard + at;
    size_t room = sizeof heard - at;
    if (f->opcode == FRAME_WELCOME)
        snprintf(to, room, "welcome%s:%lu..%lu+%u ", f->welcome.flags ? "-lost" : "", f->welcome.start, f->welcome.live,
                 f->welcome.credit);
    else if (f->opcode == FRAME_OUTPUT)
        snprintf(to, room, "output:%lu+%zu ", f->output.offset, f->output.length);
    else if (f->opcode == FRAME_SIZE)
        snprintf(to, room, "size:%ux%u ", f->size.columns, f->size.rows);
    else if (f->opcode == FRAME_MONITOR_CREDIT)
        snprintf(to, room, "credit:%u ", f->credit);
    else if (f->opcode == FRAME_SNAPSHOT)
        snprintf(to, room, "snapshot ");
    else if (f->opcode == FRAME_EXIT)
        snprintf(to, room, "exit:%u,%d ", f->exit.kind, f->exit.status);
    else
        fail_msg("a viewer was sent opcode %02x", f->opcode);
    return 0;
}

// Lets the viewer send, and expects exactly these frames.
static void expect_sent(const char *frames) {
    static uint8_t bytes[200000];
    frame_reader reader = {0};
    assert_int_equal(viewer_send(v, &err), 0);
    heard[0] = '\0';
    ssize_t length;
    while ((length = recv(peer, bytes, sizeof bytes, 0)) > 0)
        assert_int_equal(frame_reader_feed(&reader, bytes, (size_t)length, hear, NULL, &err), 0);
    frame_reader_clear(&reader);
    assert_string_equal(heard, frames);
}

static void a_viewer_gets_a_welcome_then_as_much_as_it_granted(void **state) {
    (void)state;
    print(1000);
    assert_int_equal(attach(FRAME_MAY_TYPE, 0, 600), 0);
    expect_sent("welcome:0..1000+65536 output:0+600 ");
    expect_sent("");
    say((frame){.opcode = FRAME_VIEWER_CREDIT, .credit = 1});
    expect_sent("output:600+1 ");
    say((frame){.opcode = FRAME_VIEWER_CREDIT, .credit = 1000});
    expect_sent("output:601+399 ");
    print(10);
    expect_sent("output:1000+10 ");
}

static void one_that_comes_back_gets_what_it_is_missing(void **state) {
    (void)state;
    print(3000);
    attach(FRAME_MAY_TYPE, 2990, 100);
    expect_sent("welcome:2990..3000+65536 output:2990+10 ");
}

static void one_whose_bytes_have_gone_is_drawn_the_screen_and_goes_on(void **state) {
    (void)state;
    print(10000);
    attach(FRAME_MAY_TYPE, 5, 100);
    expect_sent("welcome-lost:5904..10000+65536 snapshot output:5904+100 ");
    print(10000);
    expect_sent("");
    say((frame){.opcode = FRAME_VIEWER_CREDIT, .credit = 50});
    expect_sent("welcome-lost:15904..20000+0 snapshot output:15904+50 ");
}

static void one_that_claims_bytes_not_printed_yet_starts_over(void **state) {
    (void)state;
    print(100);
    attach(FRAME_MAY_TYPE, 101, 1000);
    expect_sent("welcome-lost:0..100+65536 output:0+100 ");
}

static void the_exit_follows_the_last_byte_and_nothing_follows_the_exit(void **state) {
    (void)state;
    print(100);
    attach(FRAME_MAY_TYPE, 0, 50);
    output.ended = true;
    output.kind = FRAME_KILLED;
    output.status = 15;
    expect_sent("welcome:0..100+65536 output:0+50 ");
    say((frame){.opcode = FRAME_VIEWER_CREDIT, .credit = 50});
    expect_sent("output:50+50 exit:1,15 ");
    v->owes_size = true;
    assert_int_equal(say((frame){.opcode = FRAME_RESIZE, .size = {1, 1}}), 0);
    expect_sent("");
}

// Types `length` bytes in one frame, however many reads that takes to arrive.
static int type(size_t length) {
    static uint8_t payload[FRAME_MAX - 1], bytes[FRAME_LENGTH_SIZE + FRAME_MAX];
    frame f = {.opcode = FRAME_INPUT, .input = {payload, length}};
    size_t written = frame_write(&f, bytes, sizeof bytes);
    assert_int_equal(send(peer, bytes, written, 0), written);
    size_t wanted = v->input.length + length;
    while (v->input.length < wanted)
        if (viewer_receive(v, &err) < 0)
            return -1;
    return 0;
}

static void input_credit_comes_back_as_the_program_reads(void **state) {
    (void)state;
    attach(FRAME_MAY_TYPE, 0, 0);
    expect_sent("welcome:0..0+65536 ");
    assert_int_equal(type(40000), 0);
    viewer_input_taken(v, 16000);
    expect_sent(""); // not worth a frame yet
    viewer_input_taken(v, 4000);
    expect_sent("credit:20000 ");
    assert_int_equal(type(45536), 0);
    assert_int_equal(v->input.length, VIEWER_INPUT_CREDIT);
    assert_int_equal(type(1), -1);
    assert_string_equal(err.message, "a viewer typed more than it was granted");
}

static void one_that_only_watches_may_type_nothing(void **state) {
    (void)state;
    attach(FRAME_MAY_WATCH, 0, 10);
    expect_sent("welcome:0..0+0 ");
    assert_int_equal(say((frame){.opcode = FRAME_INPUT, .input = {(const uint8_t *)"", 0}}), 0);
    assert_int_equal(say((frame){.opcode = FRAME_INPUT, .input = {(const uint8_t *)"x", 1}}), -1);
}

static void the_first_frames_must_be_role_and_attach(void **state) {
    (void)state;
    assert_int_equal(say((frame){.opcode = FRAME_INPUT, .input = {(const uint8_t *)"x", 1}}), -1);
    assert_int_equal(say((frame){.opcode = FRAME_ROLE, .role = 2}), -1);
    assert_int_equal(say((frame){.opcode = FRAME_ROLE, .role = 0}), 0);
    assert_int_equal(say((frame){.opcode = FRAME_RESIZE, .size = {1, 1}}), -1);
    assert_int_equal(say((frame){.opcode = FRAME_ATTACH, .attach = {.version = 2}}), -1);
    assert_non_null(strstr(err.message, "version 2"));
}

static void what_the_socket_does_not_take_follows_before_anything_else(void **state) {
    (void)state;
    ring_close(&output.ring);
    assert_int_equal(ring_open(&output.ring, 1 << 20, &err), 0);
    print(1 << 20);
    int small = 4096;
    assert_int_equal(setsockopt(v->source.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    attach(FRAME_MAY_TYPE, 0, 1 << 20);
    assert_int_equal(viewer_send(v, &err), 0);
    assert_true(v->blocked);
    assert_true(v->out.length < FRAME_MAX); // never more than one frame waits

    // The ring moves on under the frame that is half sent. What arrives is whole all the same.
    uint64_t promised = v->offset;
    print(1 << 20);
    v->owes_size = true;
    static uint8_t bytes[100000];
    frame_reader reader = {0};
    heard[0] = '\0';
    ssize_t length;
    for (int round = 0; round < 100000 && v->state == VIEWER_ATTACHED && v->credit > 0; round++) {
        while ((length = recv(peer, bytes, sizeof bytes, 0)) > 0)
            assert_int_equal(frame_reader_feed(&reader, bytes, (size_t)length, hear, NULL, &err), 0);
        assert_int_equal(viewer_send(v, &err), 0);
    }
    frame_reader_clear(&reader);
    char after[100];
    snprintf(after, sizeof after, "size:80x24 welcome-lost:%d..%d+0 snapshot output:%d+", 1 << 20, 2 << 20, 1 << 20);
    assert_true(promised < 1 << 20);
    assert_non_null(strstr(heard, after));
}

static void a_viewer_keeps_up_while_it_was_heard_of_lately(void **state) {
    (void)state;
    attach(FRAME_MAY_TYPE, 0, 0);
    uint64_t now = v->progress_ms;
    assert_true(viewer_keeps_up(v, now + 5000, 1000)); // there is nothing it has not been sent
    print(10);
    assert_true(viewer_keeps_up(v, now + 999, 1000));
    assert_false(viewer_keeps_up(v, now + 1000, 1000));
    v->progress_ms = 0;
    say((frame){.opcode = FRAME_VIEWER_CREDIT, .credit = 1});
    assert_true(v->progress_ms >= now);
}

static void the_size_is_the_smallest_wish_of_those_who_type(void **state) {
    (void)state;
    const frame_size current = {80, 24};
    viewer wide = {.state = VIEWER_ATTACHED, .may_type = true, .wish = {120, 20}};
    viewer tall = {.state = VIEWER_ATTACHED, .may_type = true, .wish = {90, 50}, .next = &wide};
    viewer silent = {.state = VIEWER_ATTACHED, .may_type = true, .next = &tall};
    viewer watcher = {.state = VIEWER_ATTACHED, .wish = {10, 5}, .next = &silent};
    viewer unattached = {.state = VIEWER_WITH_ROLE, .may_type = true, .wish = {10, 5}, .next = &watcher};
    frame_size size = viewers_smallest_wish(&unattached, current);
    assert_int_equal(size.columns, 90);
    assert_int_equal(size.rows, 20);
    silent.next = NULL;
    size = viewers_smallest_wish(&unattached, current);
    assert_int_equal(size.columns, 80);
    assert_int_equal(size.rows, 24);
}

static void garbage_never_hurts(void **state) {
    (void)state;
    unsigned seed = 2013;
    for (int round = 0; round < 3000; round++) {
        tear_down(NULL);
        assert_int_equal(set_up(NULL), 0);
        print((size_t)rand_r(&seed) % 10000);
        if (rand_r(&seed) % 4)
            attach(FRAME_MAY_TYPE, (uint64_t)rand_r(&seed) % 12000, (uint32_t)rand_r(&seed) % 9000);
        for (int part = 0; part < 5; part++) {
            uint8_t bytes[64];
            for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)(rand_r(&seed) % 3 ? rand_r(&seed) % 6 : rand_r(&seed));
            bytes[0] = bytes[1] = bytes[2] = 0; // a plausible first length
            assert_int_equal(send(peer, bytes, sizeof bytes, 0), sizeof bytes);
            if (viewer_receive(v, &err) < 0 || viewer_send(v, &err) < 0)
                break;
            print((size_t)rand_r(&seed) % 3000);
        }
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_viewer_gets_a_welcome_then_as_much_as_it_granted),
        TEST(one_that_comes_back_gets_what_it_is_missing),
        TEST(one_whose_bytes_have_gone_is_drawn_the_screen_and_goes_on),
        TEST(one_that_claims_bytes_not_printed_yet_starts_over),
        TEST(the_exit_follows_the_last_byte_and_nothing_follows_the_exit),
        TEST(input_credit_comes_back_as_the_program_reads),
        TEST(one_that_only_watches_may_type_nothing),
        TEST(the_first_frames_must_be_role_and_attach),
        TEST(what_the_socket_does_not_take_follows_before_anything_else),
        TEST(a_viewer_keeps_up_while_it_was_heard_of_lately),
        TEST(the_size_is_the_smallest_wish_of_those_who_type),
        TEST(garbage_never_hurts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
