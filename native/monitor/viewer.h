// One viewer of a terminal: a connection on the attach socket, what it has been sent, and what it may send.
// It decides what goes over the wire; the terminal decides when.
#pragma once

#include "base/byte_queue.h"
#include "base/frame.h"
#include "base/loop.h"
#include "monitor/past.h"
#include "monitor/ring.h"

#include <stdbool.h>

enum {
    VIEWER_INPUT_CREDIT = 65536, // INPUT bytes that one viewer may have outstanding
    // A viewer that has waited so long without granting credit does not keep up: a second where others are watching too
    // and would wait with it, ten where it is alone, because a busy browser on a small machine may think for that long.
    VIEWER_PATIENCE_MS = 1000,
    VIEWER_LONE_PATIENCE_MS = 10000,
};

// What every viewer of a terminal is shown.
typedef struct terminal_output {
    ring ring;
    past *past; // the terminal's
    frame_size size;
    bool ended; // nothing will be added; `kind` and `status` are as in EXIT
    uint8_t kind;
    int32_t status;
} terminal_output;

typedef enum viewer_state {
    VIEWER_WITHOUT_ROLE, // ROLE comes first, from the server
    VIEWER_WITH_ROLE,    // then ATTACH
    VIEWER_ATTACHED,
    VIEWER_FINISHED, // has been sent EXIT: nothing more goes out, what comes in is dropped
} viewer_state;

typedef struct viewer {
    loop_source source;
    struct viewer *next;
    const terminal_output *output;

    viewer_state state;
    bool may_type;
    frame_size wish; // 0, 0: none

    uint64_t offset;      // of the next output byte to be sent
    uint64_t credit;      // output bytes it still takes
    uint64_t progress_ms; // when it last attached, granted credit, or was not behind

    byte_queue input;           // typed and not yet taken by the program
    uint32_t input_credit;      // INPUT bytes it may still send
    uint32_t input_credit_owed; // taken by the program, not yet said

    bool owes_welcome, owes_size;
    bool lost; // the WELCOME it is owed says that output was lost
    frame_reader reader;
    byte_queue out; // the rest of a frame that the socket did not take whole
    bool blocked;   // the socket is full: wait until it is writable
} viewer;

// Owns `fd`, a connected non-blocking stream socket. NULL when there is no memory.
viewer *viewer_new(int fd, const terminal_output *output);
void viewer_free(viewer *v);

// Takes what the socket has. Negative when the viewer is gone or has broken the protocol: it must then be freed.
int viewer_receive(viewer *v, bh_error *err);
// Sends everything that may be sent now. Negative as above.
int viewer_send(viewer *v, bh_error *err);

// Whether it has been heard of within `patience_ms`: then the pty must wait for it, should it be a whole ring behind.
bool viewer_keeps_up(const viewer *v, uint64_t now_ms, uint64_t patience_ms);
// The program has taken the first `length` bytes of v->input.
void viewer_input_taken(viewer *v, size_t length);

// The smallest columns and rows among viewers that may type and have a wish; `current` where there is none.
frame_size viewers_smallest_wish(const viewer *first, frame_size current);
