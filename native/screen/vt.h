// Takes a terminal's output apart: characters, controls and sequences. The states are those of Paul Williams's parser
// for ANSI-compatible terminals (vt100.net/emu/dec_ansi_parser), which is also what xterm.js does in the browser.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VT_PARAMETERS = 32, // more are dropped, as in xterm
    VT_TEXT = 256,      // bytes kept of an OSC string; of a longer one the rest is dropped
};

// A control sequence, ESC [ … final; or an escape, ESC … final, which has no parameters.
typedef struct vt_sequence {
    uint8_t prefix;       // one of < = > ?, or 0
    uint8_t intermediate; // the last of space to /, or 0
    uint8_t final;
    uint8_t count;
    uint16_t value[VT_PARAMETERS]; // 0 where none was given
    bool sub[VT_PARAMETERS];       // follows a colon: it belongs to the one before
} vt_sequence;

// What comes out, in order.
typedef struct vt_events {
    void (*print)(void *context, uint32_t character);
    // The same for characters in a row that are all printable ASCII, as nearly everything is.
    void (*text)(void *context, const uint8_t *ascii, size_t length);
    void (*control)(void *context, uint8_t c0); // a C1 control comes as the escape that means the same
    void (*escape)(void *context, const vt_sequence *sequence);
    void (*csi)(void *context, const vt_sequence *sequence);
    void (*osc)(void *context, const char *text, size_t length); // UTF-8 as it came, NUL-terminated
} vt_events;

// A zeroed one, with `events` set, is ready.
typedef struct vt {
    const vt_events *events;
    void *context;
    uint8_t state;
    uint8_t utf8_more; // bytes that the character still needs
    uint32_t utf8, utf8_least;
    vt_sequence sequence;
    bool has_digit; // in the parameter that is being read
    char text[VT_TEXT + 1];
    size_t text_length;
} vt;

void vt_feed(vt *v, const uint8_t *bytes, size_t length);
// Whether the next byte begins something: nothing is half read.
bool vt_at_rest(const vt *v);
