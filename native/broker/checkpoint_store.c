// Where checkpoints lie, and how they travel: checkpoint.list, .read, .write and .delete. One is a tar archive whose
// first member, checkpoint.json, tells what it is.
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/checkpoint.h"
#include "broker/methods.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "checkpoints"
#define ARCHIVE ".tar"
enum {
    CHECKPOINTS_MAX = 4,
    TAR_BLOCK = 512,
    TAR_SIZE_AT = 124, // of a member, in octal digits (tar(5), POSIX ustar)
    TAR_SIZE_DIGITS = 11,
    HEAD_MAX = 65536,
    SHARE_OF_MEMORY = 4, // a quarter of the guest's
};

state_name checkpoint_file(const broker *b, const char *name, const char *suffix) {
    state_name path;
    snprintf(path.text, sizeof path.text, "%.40s/" FOLDER "/%.40s%s", b->config.state_dir, name, suffix);
    return path;
}

int checkpoint_folder(const broker *b, state_name *folder, bh_error *err) {
    struct stat here, above;
    snprintf(folder->text, sizeof folder->text, "%.40s/" FOLDER, b->config.state_dir);
    if (fs_make_dirs(folder->text, 0700, err) < 0)
        return -1;
    if (stat(folder->text, &here) < 0 || stat(b->config.state_dir, &above) < 0)
        return bh_fail(err, errno, "cannot look at %s", folder->text);
    if (here.st_dev != above.st_dev)
        return 0;
    // A file system of its own, so that what a container has in memory fills this and nothing else.
    char options[64];
    int64_t room = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / SHARE_OF_MEMORY;
    snprintf(options, sizeof options, "mode=0700,size=%lld", (long long)room);
    return mount("checkpoints", folder->text, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0
               ? bh_fail(err, errno, "cannot mount %s", folder->text)
               : 0;
}

// The archive's first member, if it is the one that it should be.
static json_t *read_first_member(int archive, bh_error *err) {
    char header[TAR_BLOCK], digits[TAR_SIZE_DIGITS + 1] = "";
    ssize_t got = pread(archive, header, sizeof header, 0);
    memcpy(digits, header + TAR_SIZE_AT, got == sizeof header ? TAR_SIZE_DIGITS : 0);
    long length = strtol(digits, NULL, 8);
    cleanup_free char *text = length > 0 && length <= HEAD_MAX ? malloc((size_t)length) : NULL;
    json_t *head = NULL;
    if (text && strcmp(header, "checkpoint.json") == 0 && pread(archive, text, (size_t)length, TAR_BLOCK) == length)
        head = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
    if (!head)
        bh_fail(err, EINVAL, "it does not begin with a checkpoint's description");
    return head;
}

int checkpoint_read_head(const broker *b, const char *name, checkpoint_head *head, bh_error *err) {
    cleanup_fd int archive = open(checkpoint_file(b, name, ARCHIVE).text, O_RDONLY | O_CLOEXEC);
    if (archive < 0) {
        int code = errno;
        bh_fail(err, code, "checkpoint %s", name);
        err->code = code;
        return -1;
    }
    cleanup_json json_t *read = read_first_member(archive, err);
    if (!read)
        return bh_wrap(err, "checkpoint %s", name);
    const char *digest, *kernel;
    json_int_t processes, created;
    *head = (checkpoint_head){.machine = NULL};
    if (json_unpack(read, "{s:o, s:o, s:s, s:s, s:I, s:I}", "machine", &head->machine, "terminals", &head->terminals,
                    "image_digest", &digest, "kernel", &kernel, "processes", &processes, "created_ms", &created) < 0 ||
        !json_is_object(head->machine) || !json_is_array(head->terminals))
        return bh_fail(err, EINVAL, "checkpoint %s lacks a part of its description", name);
    json_incref(head->machine);
    json_incref(head->terminals);
    snprintf(head->image_digest, sizeof head->image_digest, "%s", digest);
    snprintf(head->kernel, sizeof head->kernel, "%s", kernel);
    head->processes = processes;
    head->created_ms = created;
    return 0;
}

void checkpoint_head_free(checkpoint_head *head) {
    json_decref(head->machine);
    json_decref(head->terminals);
    *head = (checkpoint_head){.machine = NULL};
}

// Checkpoints are made where CRIU is, and where a stranger's archive can harm nobody but its owner: in a VM.
static bool in_guest(request *r) {
    if (r->broker->config.guest)
        return true;
    request_refuse(r, "unsupported", NULL, "containers are written down in VMs: ask the broker inside one");
    return false;
}

static json_t *describe(const broker *b, const char *name, int64_t bytes) {
    checkpoint_head head;
    bh_error unreadable;
    if (checkpoint_read_head(b, name, &head, &unreadable) < 0)
        return json_pack("{s:s, s:n, s:I, s:I, s:i}", "checkpoint", name, "machine", "bytes", (json_int_t)bytes,
                         "created_ms", (json_int_t)0, "processes", 0);
    json_t *one =
        json_pack("{s:s, s:O, s:I, s:I, s:I}", "checkpoint", name, "machine", json_object_get(head.machine, "machine"),
                  "bytes", (json_int_t)bytes, "created_ms", head.created_ms, "processes", head.processes);
    checkpoint_head_free(&head);
    return one;
}

// Every archive, or their number alone.
static size_t list(const broker *b, json_t *into) {
    cleanup_dir DIR *dir = opendir(checkpoint_file(b, "", "").text);
    size_t count = 0;
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *end = strstr(entry->d_name, ARCHIVE);
        char name[34];
        struct stat info;
        if (!end || strcmp(end, ARCHIVE) != 0 || (size_t)(end - entry->d_name) >= sizeof name)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(end - entry->d_name), entry->d_name);
        if (fstatat(dirfd(dir), entry->d_name, &info, 0) < 0)
            continue;
        count++;
        if (into)
            json_array_append_new(into, describe(b, name, info.st_size));
    }
    return count;
}

void checkpoint_list(request *r) {
    if (!in_guest(r))
        return;
    json_t *all = json_array();
    list(r->broker, all);
    request_answer(r, json_pack("{s:o}", "checkpoints", all));
}

bool checkpoint_may_be_made(request *r) {
    const char *name = params_string(r->params, "checkpoint");
    if (!in_guest(r))
        return false;
    if (access(checkpoint_file(r->broker, name, ARCHIVE).text, F_OK) == 0) {
        request_refuse(r, "exists", "checkpoint", "there is a checkpoint %s already: delete it first", name);
        return false;
    }
    if (list(r->broker, NULL) >= CHECKPOINTS_MAX) {
        request_refuse(r, "limit", NULL, "this VM keeps %d checkpoints: delete one first", CHECKPOINTS_MAX);
        return false;
    }
    return true;
}

// -1 when there is none, and the request is then answered.
static int open_archive(request *r, int flags) {
    const char *name = params_string(r->params, "checkpoint");
    int fd = in_guest(r) ? open(checkpoint_file(r->broker, name, ARCHIVE).text, flags | O_CLOEXEC, 0600) : -2;
    if (fd == -1)
        request_refuse(r, errno == ENOENT ? "not_found" : "failed", "checkpoint", "no checkpoint %s here", name);
    return fd;
}

void checkpoint_read(request *r) {
    cleanup_fd int archive = open_archive(r, O_RDONLY);
    if (archive < 0)
        return;
    struct stat info;
    size_t wanted = (size_t)params_integer(r->params, "length", 0);
    cleanup_free uint8_t *bytes = malloc(wanted);
    cleanup_free char *text = malloc(base64_length(wanted) + 1);
    bh_error err;
    ssize_t got = bytes && text ? pread(archive, bytes, wanted, params_integer(r->params, "offset", 0)) : -1;
    if (got < 0 || fstat(archive, &info) < 0) {
        bh_fail(&err, errno, "cannot read the checkpoint");
        request_fail(r, &err);
        return;
    }
    base64_encode(bytes, (size_t)got, text);
    request_answer(r, json_pack("{s:s, s:I}", "data", text, "bytes", (json_int_t)info.st_size));
}

void checkpoint_write(request *r) {
    const char *text = params_string(r->params, "data");
    int64_t offset = params_integer(r->params, "offset", 0);
    state_name folder;
    bh_error err;
    if (offset == 0 && !checkpoint_may_be_made(r))
        return;
    if (offset == 0 && checkpoint_folder(r->broker, &folder, &err) < 0) {
        request_fail(r, &err);
        return;
    }
    cleanup_fd int archive = open_archive(r, O_WRONLY | (offset == 0 ? O_CREAT | O_EXCL : 0));
    if (archive < 0)
        return;
    struct stat info;
    cleanup_free uint8_t *bytes = malloc(strlen(text));
    int64_t decoded = bytes ? (int64_t)base64_decode(text, bytes) : 0;
    if (!bytes) {
        bh_fail(&err, ENOMEM, "cannot take a piece of a checkpoint");
        request_fail(r, &err);
    } else if (fstat(archive, &info) < 0 || info.st_size != offset) {
        request_refuse(r, "bad_request", "offset", "there are %lld bytes so far: go on from there",
                       (long long)info.st_size);
    } else if (pwrite(archive, bytes, (size_t)decoded, offset) != decoded) {
        // Half a checkpoint is none.
        unlink(checkpoint_file(r->broker, params_string(r->params, "checkpoint"), ARCHIVE).text);
        request_refuse(r, "limit", NULL, "there is no room in this VM for the checkpoint");
    } else {
        request_answer(r, json_pack("{s:I}", "bytes", (json_int_t)(offset + decoded)));
    }
}

void checkpoint_delete(request *r) {
    const char *name = params_string(r->params, "checkpoint");
    if (!in_guest(r))
        return;
    if (unlink(checkpoint_file(r->broker, name, ARCHIVE).text) < 0)
        request_refuse(r, "not_found", "checkpoint", "no checkpoint %s here", name);
    else
        request_answer(r, NULL);
}
