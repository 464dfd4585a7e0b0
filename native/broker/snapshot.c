// Snapshots on disk: see snapshot.h. NAME is the VM as QEMU wrote it, NAME.json what it needs to be of any use: it is
// written last, so that a snapshot without it is one that was never finished.
#include "broker/snapshot.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/guest_vm.h"
#include "broker/methods.h"
#include "broker/move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

// Each is about as large as the memory that the guest has used.
#define SNAPSHOTS_MAX 4
// What is to be left on the disk for everybody else.
#define DISK_RESERVE ((int64_t)256 * 1024 * 1024)

typedef struct snapshot_path {
    char text[320];
} snapshot_path;

static snapshot_path path_of(const machine *m, const char *name, const char *extension) {
    snapshot_path path;
    snprintf(path.text, sizeof path.text, "%s/%s%s", machine_file(m->broker, m->id, "snapshots").text, name, extension);
    return path;
}

static json_t *read_one(const machine *m, const char *name) {
    return json_load_file(path_of(m, name, ".json").text, JSON_REJECT_DUPLICATES, NULL);
}

// [{snapshot, created_ms, bytes}], oldest first.
static json_t *list(const machine *m) {
    json_t *all = json_array();
    cleanup_dir DIR *dir = opendir(machine_file(m->broker, m->id, "snapshots").text);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        char name[33];
        size_t length = strlen(entry->d_name);
        if (length < 6 || length - 5 >= sizeof name || strcmp(entry->d_name + length - 5, ".json") != 0)
            continue;
        snprintf(name, length - 4, "%s", entry->d_name);
        cleanup_json json_t *one = read_one(m, name);
        json_int_t created = json_integer_value(json_object_get(one, "created_ms"));
        size_t at = 0;
        while (at < json_array_size(all) &&
               json_integer_value(json_object_get(json_array_get(all, at), "created_ms")) <= created)
            at++;
        if (one)
            json_array_insert_new(all, at,
                                  json_pack("{s:s, s:I, s:O}", "snapshot", name, "created_ms", created, "bytes",
                                            json_object_get(one, "bytes")));
    }
    return all;
}

bool state_has_room(request *r, const char *what, int64_t bytes) {
    const char *dir = r->broker->config.state_dir;
    struct statvfs disk;
    if (statvfs(dir, &disk) < 0)
        return true; // then whatever is written there will say so
    int64_t there = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    if (there >= bytes)
        return true;
    request_refuse(r, "limit", NULL, "the disk is too full %s: %lld MB are free in %s, %lld are needed", what,
                   (long long)(there >> 20), dir, (long long)(bytes >> 20));
    return false;
}

bool snapshot_may_be_made(request *r, const machine *m) {
    const char *name = params_string(r->params, "snapshot");
    cleanup_json json_t *all = list(m), *same = read_one(m, name);
    if (same) {
        request_refuse(r, "exists", "snapshot", "there is a snapshot %s already; delete it first", name);
        return false;
    }
    if (json_array_size(all) >= SNAPSHOTS_MAX) {
        request_refuse(r, "limit", "snapshot", "a VM has at most %d snapshots; delete one first", SNAPSHOTS_MAX);
        return false;
    }
    if (!state_has_room(r, "for a snapshot", m->limits.memory_bytes + DISK_RESERVE))
        return false;
    return true;
}

bool snapshot_may_be_used(request *r, const machine *m) {
    const char *name = params_string(r->params, "snapshot");
    cleanup_json json_t *one = read_one(m, name);
    char key[VM_KEY_MAX];
    bh_error err;
    if (!one) {
        request_refuse(r, "not_found", "snapshot", "machine %s has no snapshot %s", m->id, name);
        return false;
    }
    if (guest_vm_key(m, key, sizeof key, &err) < 0) {
        request_fail(r, &err);
        return false;
    }
    const char *saved_with = json_string_value(json_object_get(one, "key"));
    if (!saved_with || strcmp(saved_with, key) != 0) {
        request_refuse(
            r, "unsupported", "snapshot",
            "snapshot %s was saved by another QEMU, or of another image, than there is now; the VM runs on as it is",
            name);
        return false;
    }
    return true;
}

int snapshot_begin(const machine *m, const char *name, bh_error *err) {
    state_name dir = machine_file(m->broker, m->id, "snapshots");
    if (mkdir(dir.text, 0700) < 0 && errno != EEXIST)
        return bh_fail(err, errno, "cannot make %s", dir.text);
    snapshot_path path = path_of(m, name, "");
    int file = open(path.text, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    return file >= 0 ? file : bh_fail(err, errno, "cannot make %s", path.text);
}

int snapshot_finish(const machine *m, const char *name, int file, bh_error *err) {
    char key[VM_KEY_MAX];
    struct stat status;
    struct timespec now;
    if (guest_vm_key(m, key, sizeof key, err) < 0)
        return -1;
    if (fstat(file, &status) < 0)
        return bh_fail(err, errno, "cannot look at the snapshot %s", name);
    clock_gettime(CLOCK_REALTIME, &now);
    cleanup_json json_t *one =
        json_pack("{s:s, s:I, s:I}", "key", key, "created_ms", (json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
                  "bytes", (json_int_t)status.st_size);
    cleanup_free char *text = one ? json_dumps(one, JSON_INDENT(2)) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot describe the snapshot %s", name);
    return fs_replace(AT_FDCWD, path_of(m, name, ".json").text, text, 0600, err);
}

void snapshot_abandon(const machine *m, const char *name) {
    unlink(path_of(m, name, ".json").text);
    unlink(path_of(m, name, "").text);
}

int snapshot_open(const machine *m, const char *name, bh_error *err) {
    snapshot_path path = path_of(m, name, "");
    int file = open(path.text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return file >= 0 ? file : bh_fail(err, errno, "cannot open %s", path.text);
}

static const machine *vm_of(request *r) {
    machine *m = request_machine(r);
    if (m && (m->kind != MACHINE_VM || machine_is_self(m))) {
        request_refuse(r, "unsupported", "machine", "%s is no VM of this broker", m->id);
        return NULL;
    }
    return m;
}

void vm_snapshot_list(request *r) {
    const machine *m = vm_of(r);
    if (m)
        request_answer(r, json_pack("{s:o}", "snapshots", list(m)));
}

void vm_snapshot_delete(request *r) {
    const machine *m = vm_of(r);
    const char *name = params_string(r->params, "snapshot");
    if (!m)
        return;
    cleanup_json json_t *one = read_one(m, name);
    if (!one)
        request_refuse(r, "not_found", "snapshot", "machine %s has no snapshot %s", m->id, name);
    else if (m->moving)
        request_refuse(r, "failed", "snapshot", "machine %s is being moved or saved", m->id);
    else {
        snapshot_abandon(m, name);
        request_answer(r, NULL);
    }
}
