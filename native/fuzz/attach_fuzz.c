// Attach frames: cut anywhere or whole, the same frames come out; and a viewer that sends anything at all.
#include "base/cleanup.h"
#include "base/frame.h"
#include "fuzz/fuzz.h"
#include "monitor/viewer.h"

#include <string.h>
#include <sys/socket.h>

enum { RING_SIZE = 4096 };

typedef struct account {
    size_t frames;
    uint64_t sum; // over what was in them, so that two readings can be compared
} account;

static void add(account *a, const void *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        a->sum = (a->sum ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
}

// What was read can be written again, and is then the same bytes.
static int take(void *context, const frame *f, bh_error *err) {
    static uint8_t again[FRAME_LENGTH_SIZE + FRAME_MAX];
    (void)err;
    size_t length = frame_write(f, again, sizeof again);
    fuzz_promise(length > FRAME_LENGTH_SIZE);
    account *a = context;
    a->frames++;
    add(a, again, length);
    return 0;
}

// Reads the stream in pieces of `step` bytes.
static account read_in_pieces(const uint8_t *data, size_t size, size_t step) {
    account a = {0};
    frame_reader reader = {0};
    bh_error err = {0};
    for (size_t at = 0; at < size && !err.message[0]; at += step)
        fuzz_contract(frame_reader_feed(&reader, data + at, size - at < step ? size - at : step, take, &a, &err), &err);
    frame_reader_clear(&reader);
    return a;
}

// As the monitor has it: receive, let the program take what was typed, send.
static void be_a_viewer(const uint8_t *data, size_t size) {
    static terminal_output output;
    static bool made;
    bh_error err = {0};
    if (!made) {
        fuzz_promise(ring_open(&output.ring, RING_SIZE, &err) == 0);
        for (int i = 0; i < 3 * RING_SIZE / 2; i++) {
            size_t room;
            *ring_room(&output.ring, &room) = i % 8 == 7 ? '\n' : 'x';
            ring_advance(&output.ring, 1);
        }
        made = true;
    }
    int ends[2];
    uint8_t drained[65536];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return;
    viewer *v = viewer_new(ends[0], &output);
    for (size_t at = 0; at < size && v;) {
        ssize_t put = send(ends[1], data + at, size - at < 4096 ? size - at : 4096, MSG_NOSIGNAL);
        if (put <= 0)
            break;
        at += (size_t)put;
        if (viewer_receive(v, &err) < 0 || viewer_send(v, &err) < 0)
            break;
        fuzz_promise(v->input.length <= VIEWER_INPUT_CREDIT);
        viewer_input_taken(v, v->input.length);
        while (recv(ends[1], drained, sizeof drained, 0) > 0)
            continue;
    }
    if (v)
        viewer_free(v);
    close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    account whole = read_in_pieces(data, size, size ? size : 1), bytes = read_in_pieces(data, size, 1),
            odd = read_in_pieces(data, size, 7);
    fuzz_promise(whole.frames == bytes.frames && whole.sum == bytes.sum);
    fuzz_promise(whole.frames == odd.frames && whole.sum == odd.sum);
    be_a_viewer(data, size);
    return 0;
}
