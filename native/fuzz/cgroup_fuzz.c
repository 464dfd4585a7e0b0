// Cgroups: the paths that are let through, the kernel's mount table, and the numbers in its files.
#include "base/cgroup_backend.h"
#include "base/cgroup_meter.h"
#include "base/cleanup.h"
#include "fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>

// A path is refused, or stays below each hierarchy's root.
static void check_path(const char *path) {
    char directories[CGROUP_DIRECTORIES_MAX][CGROUP_DIRECTORY_SIZE];
    bh_error err = {0};
    int count = cgroup_directories(path, directories, &err);
    fuzz_contract(count, &err);
    for (int i = 0; i < count; i++) {
        const char *end = directories[i] + strlen(directories[i]);
        fuzz_promise(end[-1] != '/' && !strstr(directories[i], "/../") && !strstr(directories[i], "/./") &&
                     !strstr(directories[i], "//") && !strchr(directories[i], '\n'));
        fuzz_promise(strcmp(end - 3, "/..") != 0 && strcmp(end - 2, "/.") != 0);
    }
}

static void check_mounts(const char *text, size_t size) {
    cgroup1_hierarchy found[CGROUP1_MAX_HIERARCHIES];
    char mount[128];
    cleanup_file FILE *first = size ? fmemopen((void *)(uintptr_t)text, size, "r") : NULL;
    if (!first)
        return;
    int count = cgroup1_parse_mounts(first, NULL, found);
    fuzz_promise(count >= 0 && count <= CGROUP1_MAX_HIERARCHIES);
    for (int i = 0; i < count; i++)
        fuzz_promise(found[i].controllers != 0 && strlen(found[i].mount) < sizeof found[i].mount);
    rewind(first);
    if (cgroup2_parse_mounts(first, NULL, false, mount, sizeof mount))
        fuzz_promise(strlen(mount) < sizeof mount);
}

static void check_numbers(const char *text, size_t size) {
    cleanup_fd int fd = memfd_create("numbers", MFD_CLOEXEC);
    char name[16];
    snprintf(name, sizeof name, "%d", fd);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size)
        return;
    cgroup_read_number("/proc/self/fd", name, NULL);
    cgroup_read_number("/proc/self/fd", name, "oom_kill");
}

static void check_usage(const char *text) {
    cgroup_pressure found = cgroup_parse_pressure(text);
    fuzz_promise(found.some >= -1 && found.full >= -1);
    fuzz_promise(cgroup_sum_devices(text, " rbytes=") >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cleanup_free char *text = strndup((const char *)data, size);
    check_path(text);
    check_mounts((const char *)data, size);
    check_numbers((const char *)data, size);
    check_usage(text);
    return 0;
}
