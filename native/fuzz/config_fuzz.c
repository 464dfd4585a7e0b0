// config.json: whatever a bundle says, it is read or refused with the field's path.
#include "fuzz/fuzz.h"
#include "runtime/config.h"
#include "runtime/mount_options.h"

#include <sched.h>
#include <string.h>

static void check_mounts(const config *c) {
    for (size_t i = 0; i < c->mount_count; i++) {
        mount_options options;
        bh_error err = {0};
        fuzz_promise(c->mounts[i].destination && c->mounts[i].type);
        fuzz_contract(mount_options_parse(c->mounts[i].options, c->mounts[i].path, &options, &err), &err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    config c;
    bh_error err = {0};
    int result = config_parse(&c, (const char *)data, size, &err);
    fuzz_contract(result, &err);
    if (result == 0) {
        fuzz_promise(c.root_path && *c.root_path);
        fuzz_promise(c.process.args && c.process.args[0] && *c.process.args[0]);
        fuzz_promise(c.process.cwd && *c.process.cwd == '/');
        fuzz_promise(c.namespaces & CLONE_NEWNS);
        check_mounts(&c);
    }
    config_free(&c);
    return 0;
}
