// By what a compiled seccomp profile is found again: the profile as a row of bytes.
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

typedef struct seccomp_key {
    char *bytes; // owned
    size_t length, room;
} seccomp_key;

// Writes the profile down, so that two are the same bytes only if they are the same profile. Printing it as JSON would
// do too, and took 80 us of each launch, most of it for quoting names that need none. Fails when memory runs out.
int seccomp_key_make(const json_t *profile, seccomp_key *key);
// Spreads keys over file names. Resists nobody: whoever finds a key by it compares the bytes.
uint64_t seccomp_key_hash(const seccomp_key *key);
void seccomp_key_free(seccomp_key *key);
