// What a guest uses, by its own kernel's account: see stats.h.
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/stats.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t stats_number_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    int64_t number = at ? strtoll(at + strlen(key), NULL, 10) : -1;
    return number >= 0 && number < INT64_MAX / 2048 ? number : -1;
}

static int64_t kilobytes(const char *text, const char *key) {
    int64_t number = stats_number_after(text, key);
    return number < 0 ? -1 : number * 1024;
}

static int read_memory(cgroup_usage *usage, int64_t *total_bytes, bh_error *err) {
    char text[8192];
    if (fs_read(AT_FDCWD, "/proc/meminfo", text, sizeof text, err) < 0)
        return -1;
    *total_bytes = kilobytes(text, "MemTotal:");
    usage->memory_bytes = *total_bytes - kilobytes(text, "MemAvailable:");
    usage->memory_anon_bytes = kilobytes(text, "AnonPages:");
    usage->memory_file_bytes = kilobytes(text, "\nCached:");
    usage->memory_kernel_bytes = kilobytes(text, "Slab:");
    return 0;
}

static int read_processors(cgroup_usage *usage, bh_error *err) {
    char text[256];
    if (fs_read(AT_FDCWD, "/proc/loadavg", text, sizeof text, err) < 0)
        return -1;
    const char *slash = strchr(text, '/'); // "0.00 0.01 0.05 1/64 123": running and existing tasks
    usage->pids = slash ? strtoll(slash + 1, NULL, 10) : -1;
    cleanup_file FILE *stat = fopen("/proc/stat", "re");
    unsigned long long user, nice, system, idle, wait, irq, soft;
    int64_t tick_usec = 1000000 / sysconf(_SC_CLK_TCK);
    if (!stat || !fgets(text, sizeof text, stat) ||
        sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq, &soft) != 7)
        return 0;
    usage->cpu_user_usec = (int64_t)(user + nice) * tick_usec;
    usage->cpu_system_usec = (int64_t)(system + irq + soft) * tick_usec;
    usage->cpu_usec = usage->cpu_user_usec + usage->cpu_system_usec;
    return 0;
}

// Missing where the kernel does not count it (psi=0).
static void read_pressure(cgroup_usage *usage) {
    static const char *const files[CGROUP_RESOURCES] = {[CGROUP_CPU] = "/proc/pressure/cpu",
                                                        [CGROUP_MEMORY] = "/proc/pressure/memory",
                                                        [CGROUP_IO] = "/proc/pressure/io"};
    char text[256];
    bh_error ignored;
    for (size_t i = 0; i < CGROUP_RESOURCES; i++) {
        if (fs_read(AT_FDCWD, files[i], text, sizeof text, &ignored) > 0)
            usage->pressure[i] = cgroup_parse_pressure(text);
    }
}

int stats_of_guest(cgroup_usage *usage, int64_t *total_bytes, bh_error *err) {
    char text[8192];
    memset(usage, 0xFF, sizeof *usage); // -1 in every field
    if (read_memory(usage, total_bytes, err) < 0 || read_processors(usage, err) < 0 ||
        fs_read(AT_FDCWD, "/proc/vmstat", text, sizeof text, err) < 0)
        return -1;
    usage->oom_kills = stats_number_after(text, "\noom_kill ");
    // In kilobytes, of all disks; how many requests these took stands nowhere as one number.
    usage->read_bytes = kilobytes(text, "\npgpgin ");
    usage->written_bytes = kilobytes(text, "\npgpgout ");
    read_pressure(usage);
    return 0;
}
