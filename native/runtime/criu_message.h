// The few messages that go to CRIU and come from it, as protocol buffers have them on the wire.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { CRIU_MESSAGE_MAX = 1024 };

typedef enum criu_kind { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_NOTIFY = 6 } criu_kind;

typedef struct criu_message {
    uint8_t bytes[CRIU_MESSAGE_MAX];
    size_t length;
    bool cut; // it did not fit
} criu_message;

// What is asked for. All else is the same for every container.
typedef struct criu_options {
    int images;
    pid_t pid;        // 0: none
    const char *root; // NULL: none
    const char *log_file;
} criu_options;

typedef struct criu_answer {
    criu_kind kind;
    bool success;
    pid_t pid;      // of a restored tree
    char stage[48]; // of a notification
} criu_answer;

void criu_write_request(criu_message *m, criu_kind kind, const criu_options *o);
// The answer to a notification.
void criu_write_reply(criu_message *m, bool go_on);
int criu_read_answer(const uint8_t *bytes, size_t length, criu_answer *a, bh_error *err);
