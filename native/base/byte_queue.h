// Bytes that wait to be written: appended at the end, taken from the front. A zeroed byte_queue is an empty one.
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct byte_queue {
    uint8_t *bytes;
    size_t start; // of what waits, in `bytes`
    size_t length;
    size_t capacity;
} byte_queue;

// Bounding a queue is its owner's business; this fails only when there is no memory.
int byte_queue_append(byte_queue *queue, const void *data, size_t length, bh_error *err);
// The bytes that wait, `queue->length` of them. Valid until the next append or consume.
const uint8_t *byte_queue_front(const byte_queue *queue);
void byte_queue_consume(byte_queue *queue, size_t length);
// Drops everything and gives the memory back.
void byte_queue_clear(byte_queue *queue);
