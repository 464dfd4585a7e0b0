// Reading what a group uses: see cgroup_meter.h.
#include "base/cgroup_meter.h"
#include "base/cgroup_backend.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { COUNTS_PER_FILE = 4 };

// One number of a file, and where in a cgroup_usage it goes.
typedef struct count {
    const char *key; // of its line; NULL: the file is the number
    size_t field;
    int64_t divisor; // 0: it is in the usage's unit
} count;

typedef struct usage_file {
    const char *controller, *name;
    void (*parse)(const struct usage_file *file, const char *text, cgroup_usage *usage);
    count counts[COUNTS_PER_FILE];
} usage_file;

#define IN(name) offsetof(cgroup_usage, name)

static int64_t *field_at(cgroup_usage *usage, size_t field) {
    return (int64_t *)((char *)usage + field);
}

static void parse_numbers(const usage_file *file, const char *text, cgroup_usage *usage) {
    for (const count *c = file->counts; c < file->counts + COUNTS_PER_FILE && (c == file->counts || c->key); c++) {
        int64_t number = cgroup_find_number(text, c->key);
        *field_at(usage, c->field) = number > 0 && c->divisor ? number / c->divisor : number;
    }
}

static void parse_pressure(const usage_file *file, const char *text, cgroup_usage *usage) {
    cgroup_pressure found = cgroup_parse_pressure(text);
    memcpy(field_at(usage, file->counts[0].field), &found, sizeof found);
}

int64_t cgroup_sum_devices(const char *text, const char *key) {
    int64_t sum = -1;
    for (const char *at = text; (at = strstr(at, key)); at += strlen(key)) {
        int64_t number = strtoll(at + strlen(key), NULL, 10), before = sum < 0 ? 0 : sum;
        sum = number > 0 && number <= INT64_MAX - before ? before + number : before;
    }
    return sum;
}

// Where v1 names no device it counts none: since Linux 6.9 only disks for which somebody has set a limit
// (blk_should_throtl).
static void parse_devices1(const usage_file *file, const char *text, cgroup_usage *usage) {
    for (const count *c = file->counts; c < file->counts + COUNTS_PER_FILE && c->key; c++)
        *field_at(usage, c->field) = cgroup_sum_devices(text, c->key);
}

// v2 names those that the group has used.
static void parse_devices2(const usage_file *file, const char *text, cgroup_usage *usage) {
    for (const count *c = file->counts; c < file->counts + COUNTS_PER_FILE && c->key; c++) {
        int64_t sum = cgroup_sum_devices(text, c->key);
        *field_at(usage, c->field) = sum < 0 ? 0 : sum;
    }
}

static const usage_file files1[] = {
    {"memory", "memory.usage_in_bytes", parse_numbers, {{NULL, IN(memory_bytes), 0}}},
    {"memory", "memory.max_usage_in_bytes", parse_numbers, {{NULL, IN(memory_peak_bytes), 0}}},
    {"memory", "memory.limit_in_bytes", parse_numbers, {{NULL, IN(memory_limit_bytes), 0}}},
    {"memory", "memory.failcnt", parse_numbers, {{NULL, IN(memory_refusals), 0}}},
    {"memory", "memory.kmem.usage_in_bytes", parse_numbers, {{NULL, IN(memory_kernel_bytes), 0}}},
    {"memory",
     "memory.stat",
     parse_numbers,
     {{"total_rss", IN(memory_anon_bytes), 0}, {"total_cache", IN(memory_file_bytes), 0}}},
    {"memory", "memory.oom_control", parse_numbers, {{"oom_kill", IN(oom_kills), 0}}},
    {"cpuacct", "cpuacct.usage", parse_numbers, {{NULL, IN(cpu_usec), 1000}}},
    {"cpuacct", "cpuacct.usage_user", parse_numbers, {{NULL, IN(cpu_user_usec), 1000}}},
    {"cpuacct", "cpuacct.usage_sys", parse_numbers, {{NULL, IN(cpu_system_usec), 1000}}},
    {"cpu",
     "cpu.stat",
     parse_numbers,
     {{"nr_periods", IN(periods), 0},
      {"nr_throttled", IN(throttled_periods), 0},
      {"throttled_time", IN(throttled_usec), 1000}}},
    {"pids", "pids.current", parse_numbers, {{NULL, IN(pids), 0}}},
    {"pids", "pids.max", parse_numbers, {{NULL, IN(pids_limit), 0}}},
    {"pids", "pids.events", parse_numbers, {{"max", IN(pids_refusals), 0}}},
    {"blkio",
     "blkio.throttle.io_service_bytes_recursive",
     parse_devices1,
     {{" Read ", IN(read_bytes), 0}, {" Write ", IN(written_bytes), 0}}},
    {"blkio",
     "blkio.throttle.io_serviced_recursive",
     parse_devices1,
     {{" Read ", IN(reads), 0}, {" Write ", IN(writes), 0}}},
};

static const usage_file files2[] = {
    {"memory", "memory.current", parse_numbers, {{NULL, IN(memory_bytes), 0}}},
    {"memory", "memory.peak", parse_numbers, {{NULL, IN(memory_peak_bytes), 0}}},
    {"memory", "memory.max", parse_numbers, {{NULL, IN(memory_limit_bytes), 0}}},
    {"memory",
     "memory.stat",
     parse_numbers,
     {{"anon", IN(memory_anon_bytes), 0}, {"file", IN(memory_file_bytes), 0}, {"kernel", IN(memory_kernel_bytes), 0}}},
    {"memory", "memory.events", parse_numbers, {{"oom_kill", IN(oom_kills), 0}, {"max", IN(memory_refusals), 0}}},
    {"cpu",
     "cpu.stat",
     parse_numbers,
     {{"usage_usec", IN(cpu_usec), 0}, {"user_usec", IN(cpu_user_usec), 0}, {"system_usec", IN(cpu_system_usec), 0}}},
    {"cpu",
     "cpu.stat",
     parse_numbers,
     {{"nr_periods", IN(periods), 0},
      {"nr_throttled", IN(throttled_periods), 0},
      {"throttled_usec", IN(throttled_usec), 0}}},
    {"pids", "pids.current", parse_numbers, {{NULL, IN(pids), 0}}},
    {"pids", "pids.max", parse_numbers, {{NULL, IN(pids_limit), 0}}},
    {"pids", "pids.events", parse_numbers, {{"max", IN(pids_refusals), 0}}},
    {"io",
     "io.stat",
     parse_devices2,
     {{" rbytes=", IN(read_bytes), 0},
      {" wbytes=", IN(written_bytes), 0},
      {" rios=", IN(reads), 0},
      {" wios=", IN(writes), 0}}},
    {"cpu", "cpu.pressure", parse_pressure, {{NULL, IN(pressure[CGROUP_CPU]), 0}}},
    {"memory", "memory.pressure", parse_pressure, {{NULL, IN(pressure[CGROUP_MEMORY]), 0}}},
    {"io", "io.pressure", parse_pressure, {{NULL, IN(pressure[CGROUP_IO]), 0}}},
};

_Static_assert(sizeof files1 / sizeof *files1 <= CGROUP_METER_FILES, "a descriptor for each file of v1");
_Static_assert(sizeof files2 / sizeof *files2 <= CGROUP_METER_FILES, "a descriptor for each file of v2");

static const usage_file *file_list(size_t *length) {
    bool unified = cgroup_version() == 2;
    *length = unified ? sizeof files2 / sizeof *files2 : sizeof files1 / sizeof *files1;
    return unified ? files2 : files1;
}

// Hundredths of a percent after `key`: "some avg10=12.04 avg60=12.09 avg300=9.60 total=15079156487".
static int64_t average_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    int whole, hundredths;
    bool told = at && sscanf(at + strlen(key), "%3d.%2d", &whole, &hundredths) == 2;
    return told && whole >= 0 && hundredths >= 0 && whole * 100 + hundredths <= 10000 ? whole * 100 + hundredths : -1;
}

cgroup_pressure cgroup_parse_pressure(const char *text) {
    return (cgroup_pressure){average_after(text, "some avg10="), average_after(text, "full avg10=")};
}

int cgroup_meter_open(cgroup_meter *meter, const char *path, bh_error *err) {
    size_t length;
    const usage_file *files = file_list(&length);
    bool found = false;
    *meter = (cgroup_meter){0};
    for (size_t i = 0; i < length; i++) {
        char directory[CGROUP_DIRECTORY_SIZE], name[CGROUP_DIRECTORY_SIZE + 64];
        int there = cgroup_find_directory(path, files[i].controller, directory, err);
        if (there < 0)
            return -1;
        snprintf(name, sizeof name, "%s/%s", directory, files[i].name);
        int file = there ? open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
        meter->files[i] = file + 1;
        found |= file >= 0;
        if (there && file < 0 && errno != ENOENT && errno != EOPNOTSUPP) {
            bh_fail(err, errno, "cannot open %s", name);
            cgroup_meter_close(meter);
            return -1;
        }
    }
    return found ? 0 : bh_fail(err, ENOENT, "cannot read the usage of cgroup %s: there is no such group", path);
}

int cgroup_meter_read(const cgroup_meter *meter, cgroup_usage *usage, bh_error *err) {
    size_t length;
    const usage_file *files = file_list(&length);
    char text[8192];
    memset(usage, 0xFF, sizeof *usage); // -1 in every field
    for (size_t i = 0; i < length; i++) {
        ssize_t got = meter->files[i] ? pread(meter->files[i] - 1, text, sizeof text - 1, 0) : -1;
        if (meter->files[i] && got < 0 && errno == ENODEV)
            return bh_fail(err, ENODEV, "the group that was measured has been removed");
        if (got < 0)
            continue; // EOPNOTSUPP: pressure is not counted, by a switch of the kernel's (psi=0) or the group's
        text[got] = '\0';
        files[i].parse(&files[i], text, usage);
    }
    return 0;
}

void cgroup_meter_close(cgroup_meter *meter) {
    for (size_t i = 0; i < CGROUP_METER_FILES; i++) {
        if (meter->files[i])
            close(meter->files[i] - 1);
    }
    *meter = (cgroup_meter){0};
}

int cgroup_read_usage(const char *path, cgroup_usage *usage, bh_error *err) {
    cgroup_meter meter;
    if (cgroup_meter_open(&meter, path, err) < 0)
        return -1;
    int outcome = cgroup_meter_read(&meter, usage, err);
    cgroup_meter_close(&meter);
    return outcome;
}

bool cgroup_counts_refusals_below(const char *path) {
    char directory[CGROUP_DIRECTORY_SIZE], name[CGROUP_DIRECTORY_SIZE + 64];
    bh_error ignored;
    if (cgroup_version() != 2 || cgroup_find_directory(path, "pids", directory, &ignored) <= 0)
        return false;
    // Both came with one change (kernel commit 73e75e6fc352).
    snprintf(name, sizeof name, "%s/pids.events.local", directory);
    return access(name, F_OK) == 0;
}
