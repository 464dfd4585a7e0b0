// From config.json's linux.seccomp to a BPF program, and loading that (seccomp(2), libseccomp).
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <linux/filter.h>
#include <stddef.h>

typedef struct seccomp_program {
    struct sock_filter *code; // owned; NULL: no filter
    unsigned short length;
    unsigned flags; // SECCOMP_FILTER_FLAG_*
} seccomp_program;

// Compiles the profile, or takes it from <root>/.seccomp where an equal one was compiled before: libseccomp needs some
// milliseconds for a few hundred rules, reading 10 kB needs none.
int seccomp_prepare(const json_t *profile, const char *root, seccomp_program *program, bh_error *err);
// The same without the cache.
int seccomp_compile(const json_t *profile, seccomp_program *program, bh_error *err);
int seccomp_apply(const seccomp_program *program, bh_error *err);
void seccomp_free(seccomp_program *program);
