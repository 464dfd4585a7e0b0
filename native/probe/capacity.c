// How much fits: see capacity.h. What one machine costs was measured (tests/bench), idle and with a shell.
#include "probe/capacity.h"

#include "probe/namespaces.h"
#include "probe/probe.h"
#include "probe/sysfile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((int64_t)1024 * 1024)

// A container: 0.4 MiB of the kernel's for its namespaces, a monitor of 1 MiB, and a shell with its own page tables.
#define CONTAINER_BYTES (3 * MIB)
#define CONTAINER_PIDS 3     // init, shell, monitor
#define VM_BYTES (200 * MIB) // booted; a copy of a booted template is a fifth of that

static int64_t bytes_of(const char *meminfo, const char *field) {
    const char *at = strstr(meminfo, field);
    return at ? strtoll(at + strlen(field), NULL, 10) * 1024 : 0;
}

host_memory capacity_parse_memory(const char *meminfo) {
    return (host_memory){bytes_of(meminfo, "MemTotal:"), bytes_of(meminfo, "MemAvailable:"),
                         bytes_of(meminfo, "SwapTotal:")};
}

host_memory capacity_memory(void) {
    char text[8192] = "";
    sysfile_text("/proc/meminfo", text, sizeof text);
    return capacity_parse_memory(text);
}

int64_t capacity_containers(const capacity_limits *limits, const char **bound) {
    const struct {
        const char *name;
        int64_t has, each;
    } resources[] = {
        {"memory", limits->memory_bytes, CONTAINER_BYTES},
        {"pids", limits->pids, CONTAINER_PIDS},
        {"ptys", limits->ptys, 1},
        {"namespaces", limits->namespaces, 1},
    };
    // What a host does not say (-1) bounds nothing.
    int64_t least = INT64_MAX;
    *bound = "nothing";
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
        int64_t fit = resources[i].has / resources[i].each;
        if (resources[i].has >= 0 && fit < least) {
            least = fit;
            *bound = resources[i].name;
        }
    }
    return least;
}

int64_t capacity_vms(const capacity_limits *limits) {
    return limits->memory_bytes / VM_BYTES;
}

static void find_processors(json_t *report) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    char shown[32];
    snprintf(shown, sizeof shown, "%ld", count);
    probe_add(report, &(probe_finding){
                          .group = "capacity",
                          .name = "processors",
                          .state = PROBE_NOTE,
                          .value = json_integer(count),
                          .shown = shown,
                          .means = "The time of all machines together; each is held to its share.",
                      });
}

static void find_memory(json_t *report, const host_memory *memory) {
    char shown[64];
    bool little = memory->total < 2048 * MIB;
    snprintf(shown, sizeof shown, "%" PRId64 " MiB, %" PRId64 " of them to be had", memory->total / MIB,
             memory->available / MIB);
    probe_add(report, &(probe_finding){
                          .group = "capacity",
                          .name = "memory",
                          .state = little ? PROBE_WEAK : PROBE_GOOD,
                          .value = json_pack("{s:I, s:I}", "total_bytes", (json_int_t)memory->total, "available_bytes",
                                             (json_int_t)memory->available),
                          .shown = shown,
                          .means = little ? "Enough for containers; a VM needs 320 MiB and building its image more."
                                          : "Also the disks of containers and the upper layers of VMs are memory.",
                          .remedy = little ? "Give it 2 GiB or more." : NULL,
                      });
    snprintf(shown, sizeof shown, "%" PRId64 " MiB", memory->swap / MIB);
    probe_add(report,
              &(probe_finding){
                  .group = "capacity",
                  .name = "swap",
                  .state = memory->swap > 0 ? PROBE_NOTE : PROBE_GOOD,
                  .value = json_integer((json_int_t)memory->swap),
                  .shown = memory->swap > 0 ? shown : "none",
                  .means = memory->swap > 0 ? "A machine's memory limit does not count what is swapped out, and a host "
                                              "that swaps echoes keys late. Bulkhead needs no swap."
                                            : "A machine that wants more than its limit is told so at once.",
              });
}

// Counters of the whole host, with what in Bulkhead uses them up.
static void find_counters(json_t *report) {
    static const struct {
        const char *name, *path;
        int64_t enough;
        const char *means;
    } counters[] = {
        {"pids", "/proc/sys/kernel/pid_max", 32768, "Three for an idle container with a terminal."},
        {"threads", "/proc/sys/kernel/threads-max", 32768, "As pids; a VM has some ten."},
        {"ptys", "/proc/sys/kernel/pty/max", 4096,
         "One for each terminal; the reserve (kernel.pty.reserve) is for the host's own."},
        {"inotify.instances", "/proc/sys/fs/inotify/max_user_instances", 128,
         "For each user; a container's root is a user of its own."},
        {"inotify.watches", "/proc/sys/fs/inotify/max_user_watches", 8192, "As above."},
        {"files", "/proc/sys/fs/file-max", 100000, "Open files of all machines and of the host."},
        {"mounts", "/proc/sys/fs/mount-max", 100, "In one mount namespace; a container has about twenty."},
        {"keys", "/proc/sys/kernel/keys/maxkeys", 200, "For each user: session keyrings, one a container's user."},
    };
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        int64_t value;
        char shown[32], remedy[96], name[64] = "";
        bool there = sysfile_number(counters[i].path, &value);
        bool few = there && value < counters[i].enough;
        snprintf(shown, sizeof shown, "%" PRId64, value);
        snprintf(name, sizeof name, "%s", counters[i].path + strlen("/proc/sys/"));
        for (char *slash = strchr(name, '/'); slash; slash = strchr(slash, '/'))
            *slash = '.';
        snprintf(remedy, sizeof remedy, "sysctl -w %s=%" PRId64, name, counters[i].enough);
        probe_add(report, &(probe_finding){
                              .group = "capacity",
                              .name = counters[i].name,
                              .state = few ? PROBE_WEAK : PROBE_NOTE,
                              .value = there ? json_integer(value) : NULL,
                              .shown = there ? shown : "not said",
                              .means = counters[i].means,
                              .remedy = few ? remedy : NULL,
                          });
    }
}

static void find_machines(json_t *report, const host_memory *memory) {
    int64_t most, reserve, used;
    const char *bound;
    capacity_limits limits = {.memory_bytes = memory->available, .ptys = -1};
    limits.namespaces = namespaces_least(NULL, &bound);
    sysfile_number("/proc/sys/kernel/pid_max", &limits.pids);
    // Of the ptys of all containers together some are kept for the host's own devpts (kernel.pty.reserve).
    if (sysfile_number("/proc/sys/kernel/pty/max", &most) && sysfile_number("/proc/sys/kernel/pty/reserve", &reserve) &&
        sysfile_number("/proc/sys/kernel/pty/nr", &used))
        limits.ptys = most > reserve + used ? most - reserve - used : 0;
    int64_t containers = capacity_containers(&limits, &bound), vms = capacity_vms(&limits);
    char shown[160];
    snprintf(shown, sizeof shown, "about %" PRId64 " idle containers (%s runs out first), or %" PRId64 " idle VMs",
             containers, bound, vms);
    probe_add(report, &(probe_finding){
                          .group = "capacity",
                          .name = "machines",
                          .state = PROBE_NOTE,
                          .value = json_pack("{s:I, s:s, s:I}", "containers", (json_int_t)containers, "bound_by", bound,
                                             "vms", (json_int_t)vms),
                          .shown = shown,
                          .means = "By 3 MiB for a container with a shell and 200 MiB for a VM; what learners do in "
                                   "them comes on top. bulkheadd's --max-machines is what holds.",
                      });
}

void probe_capacity(json_t *report) {
    host_memory memory = capacity_memory();
    find_processors(report);
    find_memory(report, &memory);
    find_counters(report);
    find_machines(report, &memory);
}
