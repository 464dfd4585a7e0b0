// One process as its host sees it: see view.h. Everything here may be what a hostile program wants it to be, but for
// the numbers, which are the kernel's.
#include "broker/view.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/namespace_kinds.h"
#include "broker/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMMAND_MAX = 256, MAP_LINES_MAX = 8, PIDS_MAX = 8, THREADS_MAX = 48 };

// One line, its label already passed, of /proc/PID/status.
typedef struct status_line {
    const char *label, *key;
    void (*take)(json_t *into, const char *key, const char *rest);
} status_line;

static void take_text(json_t *into, const char *key, const char *rest) {
    json_object_set_new(into, key, utf8_to_json(rest, strcspn(rest, "\n")));
}

static void take_number(json_t *into, const char *key, const char *rest) {
    json_object_set_new(into, key, json_integer(strtoll(rest, NULL, 10)));
}

// "Uid:\t0\t0\t0\t0": real, effective, saved, of the file system.
static void take_effective(json_t *into, const char *key, const char *rest) {
    long long effective;
    if (sscanf(rest, "%*d %lld", &effective) == 1)
        json_object_set_new(into, key, json_integer(effective));
}

// "S (sleeping)": the letter.
static void take_state(json_t *into, const char *key, const char *rest) {
    json_object_set_new(into, key, utf8_to_json(rest, *rest ? 1 : 0));
}

// "NSpid:\t4711\t1": in the pid namespace of whoever asks, then in each below it.
static void take_pids(json_t *into, const char *key, const char *rest) {
    json_t *pids = json_array();
    char *end;
    for (long pid; (pid = strtol(rest, &end, 10)), end != rest && json_array_size(pids) < PIDS_MAX; rest = end)
        json_array_append_new(pids, json_integer(pid));
    json_object_set_new(into, key, pids);
}

static const status_line status_lines[] = {
    {"Name:\t", "name", take_text},         {"State:\t", "state", take_state},
    {"PPid:\t", "parent", take_number},     {"Uid:\t", "uid", take_effective},
    {"Gid:\t", "gid", take_effective},      {"NSpid:\t", "pids", take_pids},
    {"Threads:\t", "threads", take_number}, {"NoNewPrivs:\t", "no_new_privs", take_number},
    {"Seccomp:\t", "seccomp", take_number},
};

static const status_line capability_lines[] = {
    {"CapInh:\t", "inheritable", take_text}, {"CapPrm:\t", "permitted", take_text},
    {"CapEff:\t", "effective", take_text},   {"CapBnd:\t", "bounding", take_text},
    {"CapAmb:\t", "ambient", take_text},
};

static void take_line(json_t *into, const status_line *lines, size_t count, const char *line) {
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(lines[i].label);
        if (strncmp(line, lines[i].label, length) == 0)
            lines[i].take(into, lines[i].key, line + length);
    }
}

// Line by line, of which only beginnings are wanted: "Groups:" has what a process gives itself, half a megabyte if it
// likes.
static bool read_status(int directory, json_t *process, json_t *capabilities) {
    int fd = openat(directory, "status", O_RDONLY | O_CLOEXEC);
    cleanup_file FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    char line[256];
    bool begins = true;
    while (fgets(line, sizeof line, file)) {
        if (begins) {
            take_line(process, status_lines, sizeof status_lines / sizeof *status_lines, line);
            take_line(capabilities, capability_lines, sizeof capability_lines / sizeof *capability_lines, line);
        }
        begins = strchr(line, '\n') != NULL;
    }
    return !ferror(file) && json_object_get(process, "pids"); // ESRCH: it has ended meanwhile
}

json_t *view_command(char *bytes, size_t length, bool cut) {
    while (length > 0 && bytes[length - 1] == '\0')
        length--;
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7F)
            bytes[i] = ' ';
    }
    json_t *clean = utf8_to_json(bytes, length);
    if (!cut)
        return clean;
    json_t *shown = json_sprintf("%s…", json_string_value(clean));
    json_decref(clean);
    return shown;
}

// What the broker forks for a machine (a relay, the keeper of a console's log) names itself and keeps the broker's
// command line, which is of the host and says nothing of what the process does.
static bool is_brokers_fork(int directory) {
    struct stat program, own_program;
    char name[64], own_name[64];
    bh_error ignored;
    return fstatat(directory, "exe", &program, 0) == 0 && stat("/proc/self/exe", &own_program) == 0 &&
           program.st_dev == own_program.st_dev && program.st_ino == own_program.st_ino &&
           fs_read(directory, "comm", name, sizeof name, &ignored) > 0 &&
           fs_read(AT_FDCWD, "/proc/self/comm", own_name, sizeof own_name, &ignored) > 0 && strcmp(name, own_name) != 0;
}

static json_t *read_command(int directory) {
    if (is_brokers_fork(directory))
        return json_string("");
    char bytes[COMMAND_MAX + 1];
    cleanup_fd int fd = openat(directory, "cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, bytes, sizeof bytes);
    bool cut = got > COMMAND_MAX;
    return view_command(bytes, got < 0 ? 0 : cut ? COMMAND_MAX : (size_t)got, cut);
}

json_t *view_namespaces(int directory) {
    json_t *namespaces = json_object();
    for (size_t i = 0; i < NAMESPACE_KINDS; i++) {
        char path[32], target[64];
        snprintf(path, sizeof path, "ns/%s", namespace_table[i].file);
        ssize_t length = readlinkat(directory, path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        const char *bracket = strchr(target, '['); // "mnt:[4026531841]"
        json_object_set_new(namespaces, namespace_table[i].type,
                            bracket ? json_integer(strtoll(bracket + 1, NULL, 10)) : json_null());
    }
    return namespaces;
}

json_t *view_id_map(const char *text) {
    json_t *map = json_array();
    long long inside, outside, count;
    for (int used; json_array_size(map) < MAP_LINES_MAX &&
                   sscanf(text, "%lld %lld %lld%n", &inside, &outside, &count, &used) == 3;
         text += used)
        json_array_append_new(map, json_pack("{s:I, s:I, s:I}", "inside", (json_int_t)inside, "outside",
                                             (json_int_t)outside, "count", (json_int_t)count));
    return map;
}

json_t *view_cgroup(const char *text) {
    const char *found = NULL;
    // "0::/bulkhead/ab12/box" on v2; on v1 a line for each hierarchy, "4:memory:/bulkhead/ab12", of which all that
    // limit are the same; "1:name=systemd:/" limits nothing.
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        bool memory = path && strncmp(controllers, ":memory:", 8) == 0;
        if (path && (!found || memory))
            found = path + 1;
    }
    return found ? utf8_to_json(found, strcspn(found, "\n")) : json_null();
}

// The text of a small file of the process's as JSON, as `parse` makes it; null when it cannot be read.
static json_t *read_with(int directory, const char *file, json_t *(*parse)(const char *text)) {
    char text[8192];
    bh_error ignored;
    return fs_read(directory, file, text, sizeof text, &ignored) > 0 ? parse(text) : json_null();
}

static json_t *whole_text(const char *text) {
    return utf8_to_json(text, strlen(text));
}

// What QEMU is made of: a thread for each processor of the guest, and its own.
static json_t *read_threads(int directory) {
    json_t *threads = json_array();
    int fd = openat(directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_dir DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
    if (!tasks && fd >= 0)
        close(fd);
    for (const struct dirent *entry; tasks && json_array_size(threads) < THREADS_MAX && (entry = readdir(tasks));) {
        char path[300], name[64];
        bh_error ignored;
        snprintf(path, sizeof path, "%s/comm", entry->d_name);
        if (entry->d_name[0] != '.' && fs_read(fd, path, name, sizeof name, &ignored) >= 0)
            json_array_append_new(threads, json_pack("{s:I, s:o}", "tid", strtoll(entry->d_name, NULL, 10), "name",
                                                     utf8_to_json(name, strlen(name))));
    }
    return threads;
}

json_t *view_process(int directory, bool threads) {
    json_t *process = json_object(), *capabilities = json_object();
    json_object_set_new(process, "capabilities", capabilities);
    json_object_set_new(process, "command", read_command(directory));
    json_object_set_new(process, "namespaces", view_namespaces(directory));
    json_object_set_new(process, "cgroup", read_with(directory, "cgroup", view_cgroup));
    json_object_set_new(process, "uid_map", read_with(directory, "uid_map", view_id_map));
    json_object_set_new(process, "gid_map", read_with(directory, "gid_map", view_id_map));
    json_object_set_new(process, "label", read_with(directory, "attr/current", whole_text));
    if (threads)
        json_object_set_new(process, "thread_names", read_threads(directory));
    // Last: if it can be read, then so could all of the above, of the same process.
    if (read_status(directory, process, capabilities))
        return process;
    json_decref(process);
    return NULL;
}
