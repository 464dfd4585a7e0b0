// Bytes that wait: see byte_queue.h.
#include "base/byte_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAPACITY = 1024,
    KEPT_CAPACITY = 4096, // an empty queue larger than this gives its memory back: most queues are empty for hours
};

int byte_queue_append(byte_queue *queue, const void *data, size_t length, bh_error *err) {
    if (length == 0)
        return 0;
    if (queue->start > 0 && length > queue->capacity - queue->start - queue->length) {
        memmove(queue->bytes, queue->bytes + queue->start, queue->length);
        queue->start = 0;
    }
    if (length > queue->capacity - queue->start - queue->length) {
        size_t capacity = queue->capacity > 0 ? queue->capacity : FIRST_CAPACITY;
        while (capacity < queue->length + length)
            capacity *= 2;
        uint8_t *bytes = realloc(queue->bytes, capacity);
        if (!bytes)
            return bh_fail(err, ENOMEM, "cannot queue %zu bytes", length);
        queue->bytes = bytes;
        queue->capacity = capacity;
    }
    memcpy(queue->bytes + queue->start + queue->length, data, length);
    queue->length += length;
    return 0;
}

const uint8_t *byte_queue_front(const byte_queue *queue) {
    return queue->bytes ? queue->bytes + queue->start : (const uint8_t *)"";
}

void byte_queue_consume(byte_queue *queue, size_t length) {
    queue->start += length;
    queue->length -= length;
    if (queue->length > 0)
        return;
    queue->start = 0;
    if (queue->capacity > KEPT_CAPACITY)
        byte_queue_clear(queue);
}

void byte_queue_clear(byte_queue *queue) {
    free(queue->bytes);
    *queue = (byte_queue){0};
}
