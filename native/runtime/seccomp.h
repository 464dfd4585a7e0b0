// From config.json's linux.seccomp to a BPF program, and loading that (seccomp(2), libseccomp).
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

// Two filters, of which the kernel takes the stricter answer: libseccomp cannot hold "allowed, but not with these
// arguments" in one, and there is no other way to write "all but" about a value that may carry junk in its upper half.
enum { SECCOMP_REFUSALS, SECCOMP_MAIN, SECCOMP_FILTERS };

typedef struct seccomp_program {
    struct sock_filter *code; // owned, both filters one after the other; NULL: none
    unsigned short lengths[SECCOMP_FILTERS];
    unsigned flags; // SECCOMP_FILTER_FLAG_*
    bool notifies;  // SECCOMP_REFUSALS holds SCMP_ACT_NOTIFY, so loading it makes a listener
    bool listening; // and it has been loaded
} seccomp_program;

// Compiles the profile, or takes it from <root>/.seccomp where an equal one was compiled before: libseccomp needs some
// milliseconds for a few hundred rules, reading 10 kB needs none.
int seccomp_prepare(const json_t *profile, const char *root, seccomp_program *program, bh_error *err);
// The same without the cache.
int seccomp_compile(const json_t *profile, seccomp_program *program, bh_error *err);
// Loads SECCOMP_REFUSALS if it notifies, and sends its listener over the handshake. Before seccomp_apply, and when
// nothing is left to do that its agent on the other side would have to allow.
int seccomp_listen(seccomp_program *program, int handshake, bh_error *err);
// Loads what is not loaded yet.
int seccomp_apply(const seccomp_program *program, bh_error *err);
void seccomp_free(seccomp_program *program);
