// state.json: half written, of another version, or by nobody, it is read or refused, and what was read can be shown.
#include "base/cleanup.h"
#include "fuzz/fuzz.h"
#include "runtime/state.h"

#include <fcntl.h>
#include <string.h>

static int folder = -1;

static void remove_folder(void) {
    unlinkat(folder, "state.json", 0);
    char path[64], name[256] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", folder);
    if (readlink(path, name, sizeof name - 1) > 0)
        rmdir(name);
}

static void make_folder(void) {
    char path[] = "/tmp/bulkhead-fuzz-XXXXXX";
    folder = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    fuzz_promise(folder >= 0);
    atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (folder < 0)
        make_folder();
    cleanup_fd int file = openat(folder, "state.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    fuzz_promise(write(file, data, size) == (ssize_t)size);
    state s;
    bh_error err = {0};
    int result = state_load(folder, "c1", &s, &err);
    fuzz_contract(result, &err);
    if (result == 0) {
        s.cgroup_path[0] = '\0'; // or it would be looked for on the host
        cleanup_json json_t *shown = state_to_json(folder, &s);
        cleanup_free char *text = json_dumps(shown, JSON_COMPACT);
        fuzz_promise(text);
    }
    state_free(&s);
    return 0;
}
