// What QEMU says on its monitor while a VM is moved or saved. A QEMU that a guest took over may say anything.
#include "fuzz/fuzz.h"

// Its static functions read the figures that go on to the server.
#include "broker/vm_move.c"

void __wrap_usleep(useconds_t microseconds);
void __wrap_usleep(useconds_t microseconds) {
    (void)microseconds;
}

static bool impatient;
static bool cancelled(void) {
    return impatient;
}

// As docs/protocol.md has them, and as the server's schema insists: whole, not negative, countable.
static void check_figures(json_t *stolen) {
    cleanup_json json_t *figures = stolen;
    const char *key;
    json_t *value;
    fuzz_promise(json_object_size(figures) == 7);
    json_object_foreach(figures, key, value) {
        json_int_t count = json_integer_value(value);
        fuzz_promise(strcmp(key, "status") == 0 ? json_is_string(value) : count >= 0 && count < (json_int_t)1 << 53);
    }
}

// A conversation in which QEMU has said all it ever will.
static vm_qmp begin(const uint8_t *data, size_t size, int ends[2]) {
    fuzz_promise(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    fuzz_promise(send(ends[1], data, size, 0) == (ssize_t)size);
    shutdown(ends[1], SHUT_WR);
    return (vm_qmp){.fd = ends[0], .dir = "fuzz"};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const vm_move_watch watch = {check_figures, cancelled};
    int ends[2];
    if (size < 1 || size > 16384)
        return 0;
    impatient = data[0] & 1;

    vm_qmp saving = begin(data + 1, size - 1, ends);
    cleanup_json json_t *figures = NULL;
    bh_error err = {0}, awaited = {0};
    int sent = send_to(&saving, -1, data[0] & 2, &err);
    fuzz_contract(sent < 0 ? sent : follow(&saving, &watch, &figures, &err), &err);
    fuzz_promise(saving.length <= sizeof saving.text);
    vm_qmp_close(&saving);
    close(ends[1]);

    vm_qmp coming = begin(data + 1, size - 1, ends);
    fuzz_contract(vm_qmp_await_migration(&coming, &awaited), &awaited);
    vm_qmp_close(&coming);
    close(ends[1]);
    return 0;
}
