// Mount options, one a line.
#include "base/cleanup.h"
#include "fuzz/fuzz.h"
#include "runtime/mount_options.h"

#include <string.h>

enum { OPTIONS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cleanup_free char *text = strndup((const char *)data, size);
    const char *options[OPTIONS + 1] = {NULL};
    char *rest = text;
    for (size_t i = 0; i < OPTIONS && rest; i++)
        options[i] = strsep(&rest, "\n");
    mount_options parsed;
    bh_error err = {0};
    int result = mount_options_parse(options, "mounts[0]", &parsed, &err);
    fuzz_contract(result, &err);
    size_t data_count = 0;
    while (result == 0 && parsed.data[data_count])
        fuzz_promise(++data_count < sizeof parsed.data / sizeof *parsed.data);
    // mount_setattr(2) refuses a bit that is both set and cleared, but for the field of access times.
    if (result == 0)
        fuzz_promise((parsed.set & parsed.clear & 0xf) == 0);
    mount_propagation(options[0]);
    return 0;
}
