// CRIU, asked over its own protocol (`criu swrk`, images/rpc.proto): it stops a process tree, writes down what the
// kernel knows of it, and makes the same tree again from that.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct criu_request {
    bool restore;
    pid_t pid;        // to write down: the first process of the tree
    int images;       // the folder of what is written down, and of CRIU's log
    const char *root; // to restore: where the root file system is mounted
    int patience_s;   // how long CRIU may say nothing
    // Told each stage as CRIU gets there ("post-dump", "pre-resume", …); with "orphan-pts-master" comes the master of a
    // pty, which is the callee's. When it fails, CRIU gives up: a tree that was to be written down runs on.
    int (*stage)(void *context, const char *stage, int file, bh_error *err);
    void *context;
} criu_request;

// Returns the first process of the tree, or negative. CRIU's own complaint is then in *err, with a word for people.
pid_t criu_ask(const criu_request *r, bh_error *err);
