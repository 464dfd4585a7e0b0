// probe: see probe.h.
#include "broker/probe.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/selinux.h"
#include "broker/images.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "probe/capacity.h"
#include "probe/sysfile.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>

json_t *accel_to_json(const vm_accel *found) {
    return json_pack("{s:s?, s:s?, s:s}", "accel", *found->accel ? found->accel : NULL, "machine",
                     *found->machine ? found->machine : NULL, "reason", found->reason);
}

static int find_body(void *argument, json_t **result, bh_error *err) {
    const broker *b = argument;
    char image_dir[PATH_MAX];
    snprintf(image_dir, sizeof image_dir, "%s/vm", b->config.images_dir);
    vm_accel found;
    if (vm_find_accel(b->config.state_dir, image_dir, b->config.accel, &found, err) < 0)
        return -1;
    *result = accel_to_json(&found);
    return 0;
}

static void copy_if(char *into, size_t size, json_t *text) {
    snprintf(into, size, "%s", json_is_string(text) ? json_string_value(text) : "");
}

static void find_done(void *argument, json_t *result, const bh_error *err) {
    broker *b = argument;
    if (result) {
        copy_if(b->accel.accel, sizeof b->accel.accel, json_object_get(result, "accel"));
        copy_if(b->accel.machine, sizeof b->accel.machine, json_object_get(result, "machine"));
        copy_if(b->accel.reason, sizeof b->accel.reason, json_object_get(result, "reason"));
    } else {
        snprintf(b->accel.reason, sizeof b->accel.reason, "%.255s", err->message);
    }
    log_info("VMs: %s (%s)", *b->accel.accel ? b->accel.accel : "none", b->accel.reason);
}

void accel_find(broker *b) {
    bh_error err;
    snprintf(b->accel.reason, sizeof b->accel.reason, "still being tried");
    if (job_start(b->loop, find_body, find_done, b, &err) < 0)
        find_done(b, NULL, &err);
}

static json_t *describe_cgroup(void) {
    char names[256] = "";
    bh_error err;
    json_t *list = json_array();
    if (cgroup_controllers(names, sizeof names, &err) == 0) {
        char *rest = names;
        for (const char *controller; (controller = strsep(&rest, ","));) {
            if (*controller)
                json_array_append_new(list, json_string(controller));
        }
    }
    return json_pack("{s:i, s:o}", "version", cgroup_version(), "controllers", list);
}

// Processes and threads that there are: the second number of "2/345" in proc_loadavg(5); negative where it is not said.
static int64_t count_tasks(void) {
    char text[128];
    sysfile_text("/proc/loadavg", text, sizeof text);
    const char *slash = strchr(text, '/');
    return slash ? strtoll(slash + 1, NULL, 10) : -1;
}

// What a host does not say is left out.
static json_t *describe_capacity(const broker *b) {
    host_memory memory = capacity_memory();
    json_t *capacity = json_pack("{s:I, s:I, s:I}", "cpus", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "memory_bytes",
                                 (json_int_t)memory.total, "memory_available_bytes", (json_int_t)memory.available);
    int64_t pids, threads, used = count_tasks();
    // Every thread takes a pid; of the two limits the lower one holds (proc_sys_kernel(5)).
    if (sysfile_number("/proc/sys/kernel/pid_max", &pids) && sysfile_number("/proc/sys/kernel/threads-max", &threads) &&
        used >= 0) {
        json_object_set_new(capacity, "pids", json_integer(pids < threads ? pids : threads));
        json_object_set_new(capacity, "pids_used", json_integer(used));
    }
    struct statvfs disk;
    if (statvfs(b->config.state_dir, &disk) == 0) {
        json_object_set_new(capacity, "disk_bytes", json_integer((json_int_t)(disk.f_blocks * disk.f_frsize)));
        json_object_set_new(capacity, "disk_available_bytes",
                            json_integer((json_int_t)(disk.f_bavail * disk.f_frsize)));
    }
    return capacity;
}

static json_t *describe_maxima(const maxima *most) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "machines", (json_int_t)most->machines, "memory_bytes",
                     (json_int_t)most->memory_bytes, "pids", (json_int_t)most->pids, "disk_bytes",
                     (json_int_t)most->disk_bytes, "cpu_millis", (json_int_t)most->cpu_millis);
}

// What runs on this kernel: its first process, which is this one, and how many there are. A page shows it of every VM;
// to start a shell there for it would cost an emulated processor ten times as much as all that made the VM.
static json_t *describe_init(void) {
    char command[PATH_MAX];
    cleanup_dir DIR *proc = opendir("/proc");
    int processes = 0;
    for (const struct dirent *entry; proc && (entry = readdir(proc));)
        processes += isdigit((unsigned char)entry->d_name[0]) ? 1 : 0;
    sysfile_text("/proc/1/cmdline", command, sizeof command); // its arguments, if there are any, follow a NUL
    return json_pack("{s:s, s:i}", "command", command, "processes", processes);
}

void probe(request *r) {
    const broker *b = r->broker;
    struct utsname kernel;
    struct timespec up;
    uname(&kernel);
    clock_gettime(CLOCK_BOOTTIME, &up);
    json_t *answer = json_pack(
        "{s:s, s:s, s:s, s:{s:s, s:s}, s:I, s:o, s:s, s:o, s:o, s:o, s:s, s:o}", "version", BULKHEAD_VERSION, "depth",
        b->config.guest ? "guest" : "host", "hostname", kernel.nodename, "kernel", "release", kernel.release, "machine",
        kernel.machine, "uptime_ms", (json_int_t)up.tv_sec * 1000 + up.tv_nsec / 1000000, "cgroup", describe_cgroup(),
        "selinux", selinux_mode_name(selinux_current_mode()), "vm", accel_to_json(&b->accel), "images", images_list(b),
        "capacity", describe_capacity(b), "nesting", b->config.nesting, "maxima", describe_maxima(&b->maxima));
    if (b->config.guest)
        json_object_set_new(answer, "init", describe_init());
    if (b->config.boot)
        json_object_set_new(answer, "boot", json_deep_copy(b->config.boot));
    request_answer(r, answer);
}
