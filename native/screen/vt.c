// The parser: see vt.h.
#include "screen/vt.h"

#include <string.h>

enum {
    GROUND,
    ESCAPE,
    ESCAPE_INTERMEDIATE,
    CSI_ENTRY,
    CSI_PARAMETERS,
    CSI_INTERMEDIATE,
    CSI_IGNORE,
    OSC_STRING,
    OTHER_STRING, // DCS, SOS, PM and APC, of which nothing is kept
};

enum { BEL = 0x07, CAN = 0x18, SUB = 0x1a, ESC = 0x1b, DELETE = 0x7f, ST = 0x9c };

static void begin(vt *v, uint8_t state) {
    v->state = state;
    v->sequence = (vt_sequence){0};
    v->has_digit = false;
    v->text_length = 0;
}

static void end_string(vt *v) {
    if (v->state == OSC_STRING) {
        v->text[v->text_length] = '\0';
        v->events->osc(v->context, v->text, v->text_length);
    }
    v->state = GROUND;
}

// --- Parameters ---

static void next_parameter(vt *v, bool sub) {
    vt_sequence *s = &v->sequence;
    if (s->count == 0)
        s->count = 1; // what stands before the first separator, even if nothing does
    if (s->count < VT_PARAMETERS) {
        s->value[s->count] = 0;
        s->sub[s->count] = sub;
    }
    if (s->count <= VT_PARAMETERS)
        s->count++;
}

static void digit(vt *v, uint8_t c) {
    vt_sequence *s = &v->sequence;
    if (s->count == 0)
        s->count = 1;
    if (s->count > VT_PARAMETERS)
        return;
    uint32_t value = s->value[s->count - 1] * 10U + (uint32_t)(c - '0');
    s->value[s->count - 1] = value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
}

static void dispatch_csi(vt *v, uint8_t final) {
    vt_sequence *s = &v->sequence;
    s->final = final;
    if (s->count > VT_PARAMETERS)
        s->count = VT_PARAMETERS;
    v->state = GROUND;
    v->events->csi(v->context, s);
}

// --- One character in each state ---

static void in_escape(vt *v, uint8_t c) {
    switch (c) {
    case '[':
        begin(v, CSI_ENTRY);
        return;
    case ']':
        begin(v, OSC_STRING);
        return;
    case 'P':
    case 'X':
    case '^':
    case '_':
        begin(v, OTHER_STRING);
        return;
    default:
        break;
    }
    if (c <= 0x2f) {
        v->sequence.intermediate = c;
        v->state = ESCAPE_INTERMEDIATE;
        return;
    }
    v->state = GROUND;
    if (c == DELETE)
        return;
    v->sequence.final = c;
    v->events->escape(v->context, &v->sequence);
}

static void in_csi(vt *v, uint8_t c) {
    if (c >= 0x40) {
        if (c == DELETE)
            return;
        if (v->state == CSI_IGNORE)
            v->state = GROUND;
        else
            dispatch_csi(v, c);
    } else if (v->state == CSI_IGNORE) {
        return;
    } else if (c <= 0x2f) {
        v->sequence.intermediate = c;
        v->state = CSI_INTERMEDIATE;
    } else if (v->state == CSI_INTERMEDIATE) {
        v->state = CSI_IGNORE; // a parameter after an intermediate
    } else if (c >= '<') {
        v->sequence.prefix = c;
        v->state = v->state == CSI_ENTRY ? CSI_PARAMETERS : CSI_IGNORE;
    } else {
        v->state = CSI_PARAMETERS;
        if (c == ';' || c == ':')
            next_parameter(v, c == ':');
        else
            digit(v, c);
    }
}

// `c` is printable ASCII or DELETE.
static void take_graphic(vt *v, uint8_t c) {
    switch (v->state) {
    case GROUND:
        return; // DELETE; the others came as text
    case ESCAPE:
        in_escape(v, c);
        return;
    case ESCAPE_INTERMEDIATE:
        if (c <= 0x2f) {
            v->sequence.intermediate = c;
            return;
        }
        v->state = GROUND;
        v->sequence.final = c;
        if (c != DELETE)
            v->events->escape(v->context, &v->sequence);
        return;
    case OSC_STRING:
        if (v->text_length < VT_TEXT)
            v->text[v->text_length++] = (char)c;
        return;
    case OTHER_STRING:
        return;
    default:
        in_csi(v, c);
    }
}

static void take_control(vt *v, uint8_t c) {
    if (c == ESC) { // also begins ESC \, which ends a string: the backslash does nothing then
        end_string(v);
        begin(v, ESCAPE);
    } else if (c == CAN || c == SUB) {
        v->state = GROUND;
    } else if (v->state == OSC_STRING || v->state == OTHER_STRING) {
        if (c == BEL)
            end_string(v);
    } else {
        v->events->control(v->context, c); // in the middle of a sequence too, as a VT100 did
    }
}

// U+0080 to U+009F: each means what ESC and the character 0x40 below it mean.
static void take_c1(vt *v, uint8_t c) {
    if (v->state == OSC_STRING)
        v->text_length -= v->text_length < 2 ? v->text_length : 2; // its own two bytes were taken for text
    end_string(v);
    if (c == ST)
        return;
    begin(v, ESCAPE);
    in_escape(v, (uint8_t)(c - 0x40));
}

static void take_wide(vt *v, uint32_t character) {
    if (character < 0xa0)
        take_c1(v, (uint8_t)character);
    else if (v->state == GROUND)
        v->events->print(v->context, character);
    else if (v->state != OSC_STRING && v->state != OTHER_STRING)
        v->state = GROUND; // no part of a sequence; xterm.js gives the sequence up as well
}

// --- Bytes to characters ---

// Keeps the bytes of a title as they came.
static void keep_raw(vt *v, uint8_t byte) {
    if (v->state == OSC_STRING && v->text_length < VT_TEXT)
        v->text[v->text_length++] = (char)byte;
}

static void utf8_lead(vt *v, uint8_t byte) {
    // The least character that needs so many bytes: one that could have been written shorter is not taken.
    if (byte >= 0xc2 && byte <= 0xdf)
        v->utf8 = byte & 0x1fU, v->utf8_more = 1, v->utf8_least = 0x80;
    else if (byte >= 0xe0 && byte <= 0xef)
        v->utf8 = byte & 0x0fU, v->utf8_more = 2, v->utf8_least = 0x800;
    else if (byte >= 0xf0 && byte <= 0xf4)
        v->utf8 = byte & 0x07U, v->utf8_more = 3, v->utf8_least = 0x10000;
}

static void utf8_next(vt *v, uint8_t byte) {
    v->utf8 = v->utf8 << 6 | (byte & 0x3fU);
    if (--v->utf8_more > 0)
        return;
    bool surrogate = v->utf8 >= 0xd800 && v->utf8 <= 0xdfff;
    if (v->utf8 >= v->utf8_least && v->utf8 <= 0x10ffff && !surrogate && v->utf8 != 0xfeff)
        take_wide(v, v->utf8);
}

// How many bytes from the first on are printable ASCII.
static size_t text_length(const uint8_t *bytes, size_t length) {
    size_t count = 0;
    while (count < length && bytes[count] >= 0x20 && bytes[count] < DELETE)
        count++;
    return count;
}

void vt_feed(vt *v, const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = bytes[i];
        if (v->utf8_more > 0 && (byte & 0xc0U) == 0x80) {
            keep_raw(v, byte);
            utf8_next(v, byte);
            continue;
        }
        v->utf8_more = 0; // what was begun is dropped, as xterm.js drops it
        size_t text = v->state == GROUND ? text_length(bytes + i, length - i) : 0;
        if (text > 0) {
            v->events->text(v->context, bytes + i, text);
            i += text - 1;
        } else if (byte >= 0x80) {
            if (byte >= 0xc2)
                keep_raw(v, byte);
            utf8_lead(v, byte);
        } else if (byte < 0x20) {
            take_control(v, byte);
        } else {
            take_graphic(v, byte);
        }
    }
}

bool vt_at_rest(const vt *v) {
    return v->state == GROUND && v->utf8_more == 0;
}
