// What a guest says on its link before the server takes over. The guest may be anybody's.
#include "fuzz/fuzz.h"

// Its static receive() is what reads a guest's bytes.
#include "broker/vm_hello.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int ends[2];
    if (size > 16384 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return 0;
    fuzz_promise(send(ends[1], data, size, 0) == (ssize_t)size);
    close(ends[1]); // then the conversation ends, and nothing is waited for
    cleanup_link guest_link l = {.fd = ends[0], .path = "fuzz"};
    bh_error err = {0};
    for (int channel; (channel = receive(&l, UINT64_MAX, &err)) >= 0;)
        fuzz_promise(channel <= UINT8_MAX && strlen(text_of(&l)) < sizeof l.packet - HEAD);
    fuzz_contract(-1, &err);
    return 0;
}
