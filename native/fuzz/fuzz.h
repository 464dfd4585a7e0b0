// What every harness in this folder is: a function that libFuzzer calls with one input after another, under ASan and
// UBSan. https://llvm.org/docs/LibFuzzer.html. `make fuzz` builds them, `npm run fuzz` runs them.
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What the code under test promises. A promise broken is a finding as a memory error is.
#define fuzz_promise(claim)                                                                                            \
    do {                                                                                                               \
        if (!(claim)) {                                                                                                \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #claim);                                \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

// The error contract of base/error.h, for an *err that was zeroed before the call.
static inline void fuzz_contract(long result, const bh_error *err) {
    fuzz_promise((result < 0) == (err->message[0] != '\0'));
}
