// Templates of VMs and their copies: see vm_template.h.
#include "broker/vm_template.h"

#include "broker/vm_command.h"
#include "broker/vm_hello.h"
#include "broker/vm_qmp.h"
#include "broker/vm_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define RENEW_TIMEOUT_MS 20000
// What the kernel's generator is seeded with anew: ChaCha20's key (random(4)).
#define ENTROPY_BYTES 32

int vm_memory_make(vm_memory *memory, int64_t bytes, bh_error *err) {
    memory->ram = memfd_create("vm-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    memory->state = memfd_create("vm-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory->ram >= 0 && memory->state >= 0 && ftruncate(memory->ram, bytes) == 0)
        return 0;
    int code = errno;
    vm_memory_close(memory);
    return bh_fail(err, code, "cannot make %lld bytes of memory for a VM template", (long long)bytes);
}

void vm_memory_close(vm_memory *memory) {
    if (memory->ram >= 0)
        close(memory->ram);
    if (memory->state >= 0)
        close(memory->state);
    memory->ram = memory->state = -1;
}

int vm_memory_seal(const vm_memory *memory, bh_error *err) {
    // F_SEAL_WRITE leaves private mappings writable, which is what copies have, and refuses shared ones
    // (memfd_create(2)).
    const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (fcntl(memory->ram, F_ADD_SEALS, seals) < 0 || fcntl(memory->state, F_ADD_SEALS, seals) < 0)
        return bh_fail(err, errno, "cannot seal a VM template");
    return 0;
}

int vm_template_save(const vm_spec *spec, bh_error *err) {
    vm_qmp q;
    int result = vm_qmp_open(&q, spec->dir, err);
    if (result == 0)
        result = vm_qmp_set_migration(&q, true, false, err);
    if (result == 0)
        result = vm_qmp_run(&q, "getfd", json_pack("{s:s}", "fdname", "state"), spec->memory->state, NULL, err);
    if (result == 0)
        result = vm_qmp_run(&q, "migrate", json_pack("{s:s}", "uri", "fd:state"), -1, NULL, err);
    if (result == 0)
        result = vm_qmp_await_migration(&q, err);
    vm_qmp_close(&q);
    return result;
}

int vm_template_restore(const vm_spec *spec, bh_error *err) {
    vm_qmp q;
    char from[16];
    snprintf(from, sizeof from, "fd:%d", VM_STATE_FD);
    int result = vm_qmp_open(&q, spec->dir, err);
    if (result == 0)
        result = vm_qmp_set_migration(&q, true, false, err);
    if (result == 0)
        result = vm_qmp_run(&q, "migrate-incoming", json_pack("{s:s}", "uri", from), -1, NULL, err);
    if (result == 0)
        result = vm_qmp_await_migration(&q, err);
    vm_qmp_close(&q);
    vm_trace_step(spec->trace, "restore", "processor and devices as the template was saved");
    return result;
}

int vm_renew(const vm_spec *spec, const char *hostname, bh_error *err) {
    uint8_t random[ENTROPY_BYTES];
    char entropy[2 * sizeof random + 1], link[512];
    struct timespec now;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return bh_fail(err, errno, "cannot get random bytes");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(entropy + 2 * i, 3, "%02x", random[i]);
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(link, sizeof link, "%s/link.sock", spec->dir);
    json_t *identity = json_pack("{s:s*, s:s, s:I}", "hostname", hostname, "entropy", entropy, "unix_ms",
                                 (json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    int result = vm_greet_and_ask(link, "identity.renew", identity, RENEW_TIMEOUT_MS, spec->trace, err);
    vm_trace_step(spec->trace, "identity", "host name, machine id, clock, random numbers");
    return result;
}
