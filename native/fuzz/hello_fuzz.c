// What a guest answers to the host's hello. The guest may be anybody's.
#include "fuzz/fuzz.h"

// Its static take() is what reads a guest's bytes.
#include "broker/vm_hello.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    greeting g = {.nonce = "00112233445566778899aabbccddeeff"};
    uint8_t packet[256];
    size_t length = 0;
    for (size_t at = 0; at < size; at += 61) {
        size_t piece = size - at < 61 ? size - at : 61;
        if (take(&g, data + at, piece, packet, &length))
            fuzz_promise(size > sizeof g.nonce); // it cannot be guessed, so it must have been said
        fuzz_promise(length < sizeof packet);
    }
    return 0;
}
