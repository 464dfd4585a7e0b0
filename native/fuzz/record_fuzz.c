// The broker's record of a machine: refused, or one that the broker itself would have written.
#include "base/cleanup.h"
#include "broker/machine.h"
#include "fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cleanup_json json_t *record = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    char boot[40], boot_again[40];
    bh_error err = {0};
    if (!record)
        return 0;
    machine *m = machine_from_json(record, boot, &err);
    fuzz_contract(m ? 0 : -1, &err);
    if (!m)
        return 0;
    cleanup_json json_t *again = machine_to_json(m, boot);
    machine *same = machine_from_json(again, boot_again, &err);
    fuzz_promise(same && strcmp(boot, boot_again) == 0 && strcmp(m->id, same->id) == 0 && m->pid == same->pid);
    machine_free(same);
    machine_free(m);
    return 0;
}
