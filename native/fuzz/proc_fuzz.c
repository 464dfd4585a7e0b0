// /proc: a process chooses its own name, so its line in /proc/<pid>/stat may hold anything. Every file that these
// functions read is the input (--wrap, see the Makefile).
#include "base/fs.h"
#include "broker/identity.h"
#include "fuzz/fuzz.h"
#include "runtime/state.h"

#include <string.h>

// Its static functions read a process's share of memory.
#include "broker/stats.c"

static const uint8_t *input;
static size_t input_size;

ssize_t __wrap_fs_read(int dir, const char *path, char *buffer, size_t size, bh_error *err);
ssize_t __wrap_fs_read(int dir, const char *path, char *buffer, size_t size, bh_error *err) {
    (void)dir;
    if (input_size >= size)
        return bh_fail(err, EFBIG, "%s is longer than %zu bytes", path, size - 1);
    memcpy(buffer, input, input_size);
    buffer[input_size] = '\0';
    return (ssize_t)strlen(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cgroup_usage usage;
    int64_t total_bytes;
    bh_error err = {0};
    input = data;
    input_size = size;
    state_process_start(1);
    process_start_time(1);
    stats_of_guest(&usage, &total_bytes, &err);
    pss_bytes(1);
    return 0;
}
