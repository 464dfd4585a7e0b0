// The attach protocol's frames (docs/protocol.md): what a viewer and a monitor say to each other about one terminal.
// Golden vectors, shared with the TypeScript side: tests/vectors/attach.json.
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_VERSION = 1,
    FRAME_MAX = 65536,                             // opcode and body
    FRAME_LENGTH_SIZE = 4,                         // the length before a frame on a stream
    FRAME_OUTPUT_MAX = FRAME_MAX - 1 - 8,          // payload bytes of one OUTPUT
    FRAME_SNAPSHOT_MAX = FRAME_MAX - 1,            // bytes of one SNAPSHOT
    FRAME_OUTPUT_HEAD = FRAME_LENGTH_SIZE + 1 + 8, // what precedes them on a stream
    FRAME_SMALL = FRAME_LENGTH_SIZE + 32,          // room for any frame but INPUT and OUTPUT, length included
};

typedef enum frame_opcode {
    FRAME_ROLE = 0x00,
    FRAME_ATTACH = 0x01,
    FRAME_INPUT = 0x02,
    FRAME_RESIZE = 0x03,
    FRAME_VIEWER_CREDIT = 0x04,
    FRAME_WELCOME = 0x81,
    FRAME_OUTPUT = 0x82,
    FRAME_SIZE = 0x83,
    FRAME_EXIT = 0x84,
    FRAME_MONITOR_CREDIT = 0x85,
    FRAME_SNAPSHOT = 0x86,
} frame_opcode;

enum { FRAME_MAY_TYPE = 0, FRAME_MAY_WATCH = 1 }; // role
enum { FRAME_OUTPUT_LOST = 1 };                   // flags of WELCOME
enum { FRAME_EXITED = 0, FRAME_KILLED = 1 };      // kind of EXIT

typedef struct frame_size {
    uint16_t columns;
    uint16_t rows;
} frame_size;

typedef struct frame {
    frame_opcode opcode;
    union {
        uint8_t role;
        struct {
            uint8_t version;
            uint64_t offset;
            uint32_t credit;
            frame_size size;
        } attach;
        struct {
            const uint8_t *bytes; // into the parsed data
            size_t length;
        } input;         // and SNAPSHOT
        frame_size size; // RESIZE and SIZE
        uint32_t credit; // both CREDITs
        struct {
            uint8_t version;
            uint8_t flags;
            uint64_t start;
            uint64_t live;
            frame_size size;
            uint32_t credit;
        } welcome;
        struct {
            uint64_t offset;
            const uint8_t *bytes; // into the parsed data
            size_t length;
        } output;
        struct {
            uint8_t kind;
            int32_t status;
        } exit;
    };
} frame;

// Reads one frame (opcode and body, no length). Every body must have exactly its length.
int frame_parse(const uint8_t *data, size_t length, frame *out, bh_error *err);

// Writes one frame with its length before it, as on a stream, and returns the bytes written; 0 when `size` is too
// small or the frame longer than FRAME_MAX.
size_t frame_write(const frame *f, uint8_t *out, size_t size);

// Writes what precedes the bytes of a SNAPSHOT frame on a stream, FRAME_LENGTH_SIZE + 1 bytes. `length` is at most
// FRAME_SNAPSHOT_MAX.
void frame_write_snapshot_head(size_t length, uint8_t *out);

// Writes what precedes the payload of an OUTPUT frame on a stream, FRAME_OUTPUT_HEAD bytes, so that the payload can be
// sent from where it lies. `length` is at most FRAME_OUTPUT_MAX.
void frame_write_output_head(uint64_t offset, size_t length, uint8_t *out);

// Takes a stream of length-prefixed frames apart, cut anywhere. A zeroed reader is ready. It holds at most one frame.
typedef struct frame_reader {
    uint8_t length[FRAME_LENGTH_SIZE];
    size_t length_seen; // bytes of it
    uint8_t *partial;   // allocated once the length is known
    size_t seen;
} frame_reader;

// Calls `take` for every frame completed by these bytes. Ends early, with -1, when a frame is malformed or `take`
// returns a negative number (and has set *err).
int frame_reader_feed(frame_reader *reader, const uint8_t *data, size_t length,
                      int (*take)(void *context, const frame *f, bh_error *err), void *context, bh_error *err);
void frame_reader_clear(frame_reader *reader);
