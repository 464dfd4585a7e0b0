// From config.json's linux.seccomp to a BPF program, and loading that (seccomp(2), libseccomp).
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <linux/filter.h>
#include <stddef.h>

// Two filters, of which the kernel takes the stricter answer: libseccomp cannot hold "allowed, but not with these
// arguments" in one, and there is no other way to write "all but" about a value that may carry junk in its upper half.
enum { SECCOMP_REFUSALS, SECCOMP_MAIN, SECCOMP_FILTERS };

typedef struct seccomp_program {
    struct sock_filter *code; // owned, both filters one after the other; NULL: none
    unsigned short lengths[SECCOMP_FILTERS];
    unsigned flags; // SECCOMP_FILTER_FLAG_*
} seccomp_program;

// Compiles the profile, or takes it from <root>/.seccomp where an equal one was compiled before: libseccomp needs some
// milliseconds for a few hundred rules, reading 10 kB needs none.
int seccomp_prepare(const json_t *profile, const char *root, seccomp_program *program, bh_error *err);
// The same without the cache.
int seccomp_compile(const json_t *profile, seccomp_program *program, bh_error *err);
int seccomp_apply(const seccomp_program *program, bh_error *err);
void seccomp_free(seccomp_program *program);
