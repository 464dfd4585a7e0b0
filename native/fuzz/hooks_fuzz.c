// config.json's `hooks`.
#include "base/cleanup.h"
#include "fuzz/fuzz.h"
#include "runtime/hooks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cleanup_json json_t *hooks = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(hooks))
        return 0;
    json_place at = {.object = hooks, .path = "hooks"};
    bh_error err = {0};
    fuzz_contract(hooks_check(&at, &err), &err);
    for (int kind = 0; kind < HOOK_KINDS; kind++)
        hooks_any(hooks, (hook_kind)kind);
    return 0;
}
