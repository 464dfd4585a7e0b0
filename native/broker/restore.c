// container.restore: a machine with the name, the ids, the files, the processes and the terminals that a checkpoint
// tells of. See checkpoint.h.
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/checkpoint.h"
#include "broker/checkpoint_terminals.h"
#include "broker/container.h"
#include "broker/create.h"
#include "broker/ids.h"
#include "broker/images.h"
#include "broker/methods.h"
#include "broker/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LAYER "layer"
#define RESTORE_TIMEOUT_MS 60000
#define UNPACK_TIMEOUT_MS 60000

int checkpoint_mount_layer(const machine *m, bh_error *err) {
    const broker *b = m->broker;
    state_name place = machine_file(b, m->id, LAYER);
    char options[192];
    uid_t first = slot_container_id(b->config.id_base, m->slot);
    snprintf(options, sizeof options, "mode=0755,size=%lld,nr_inodes=%lld,uid=%u,gid=%u",
             (long long)m->limits.disk_bytes, (long long)container_inodes(&m->limits), first, first);
    if (fs_make_dirs(place.text, 0700, err) < 0)
        return -1;
    return mount(LAYER, place.text, "tmpfs", MS_NODEV, options) < 0 ? bh_fail(err, errno, "cannot mount %s", place.text)
                                                                    : 0;
}

void checkpoint_unmount_layer(const broker *b, const char *id) {
    if (b->config.guest)
        umount2(machine_file(b, id, LAYER).text, MNT_DETACH); // one that never came to be has none
}

static int unpack(const char *archive, const char *into, char *first, char *second, bh_error *err) {
    char from[256], to[256];
    snprintf(from, sizeof from, "%s", archive);
    snprintf(to, sizeof to, "%s", into);
    char *argv[] = {"/usr/bin/tar",
                    "--extract",
                    "--file",
                    from,
                    "--numeric-owner",
                    "--preserve-permissions",
                    "--xattrs",
                    "--xattrs-include=*",
                    "-C",
                    to,
                    first,
                    second,
                    NULL};
    process_spec spec = {.argv = argv, .output_max = 4096, .timeout_ms = UNPACK_TIMEOUT_MS};
    return process_run_or_fail(&spec, err) < 0 ? bh_wrap(err, "cannot unpack the checkpoint") : 0;
}

static int listen_at(const char *path, bh_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0)
        return bh_fail(err, errno, "cannot listen at %s", path);
    return take_fd(&fd);
}

static int run_runtime(const machine *m, const char *dir, const char *console, bh_error *err) {
    const broker *b = m->broker;
    state_name runtime = program(b, "bulkhead"), root = runtime_root(b), bundle = machine_dir(b, m->id);
    state_name pid_file = machine_file(b, m->id, "pid");
    char images[256], socket[192], id[33];
    snprintf(images, sizeof images, "%s/images", dir);
    snprintf(socket, sizeof socket, "%s", console);
    memcpy(id, m->id, sizeof id);
    char *argv[] = {runtime.text,       "--root",       root.text, "restore",    "--bundle",
                    bundle.text,        "--image-path", images,    "--pid-file", pid_file.text,
                    "--console-socket", socket,         "--hold",  id,           NULL};
    process_spec spec = {.argv = argv, .output_max = 8192, .timeout_ms = RESTORE_TIMEOUT_MS};
    return process_run_or_fail(&spec, err);
}

// The processes, standing still; then who holds their terminals; then they go on.
static int bring_back(machine *m, const char *dir, bh_error *err) {
    char terminals[256];
    state_name console = machine_file(m->broker, m->id, "terminals/restored"), group = machine_cgroup(m->broker, m->id);
    snprintf(terminals, sizeof terminals, "%s/terminals", dir);
    cleanup_fd int listener = listen_at(console.text, err);
    if (listener < 0)
        return -1;
    int result = run_runtime(m, dir, console.text, err);
    unlink(console.text);
    if (result < 0 ||
        checkpoint_give_terminals(m, listener, terminals, json_object_get(m->restoring, "terminals"), err) < 0)
        return -1;
    char box[200];
    snprintf(box, sizeof box, "%s/box", group.text);
    return cgroup_freeze(box, false, err);
}

static int restore_container(machine *m, json_t **result, bh_error *err) {
    const broker *b = m->broker;
    const char *name = json_string_value(json_object_get(m->restoring, "checkpoint"));
    state_name archive = checkpoint_file(b, name, ".tar"), dir = checkpoint_file(b, name, ".d");
    state_name layer = machine_file(b, m->id, LAYER);
    if (fs_remove_tree(AT_FDCWD, dir.text, err) < 0 || fs_make_dirs(dir.text, 0700, err) < 0 ||
        machine_make_dir(m, err) < 0 || checkpoint_mount_layer(m, err) < 0)
        return -1;
    int restored = unpack(archive.text, dir.text, "images", "terminals", err) < 0 ||
                           unpack(archive.text, layer.text, "upper", NULL, err) < 0 ||
                           container_write_bundle(m, err) < 0 || bring_back(m, dir.text, err) < 0
                       ? -1
                       : container_read_pid(m, err);
    bh_error untidy;
    fs_remove_tree(AT_FDCWD, dir.text, &untidy);
    if (restored < 0)
        return -1;
    *result = json_pack("{s:i}", "pid", restored);
    return 0;
}

static bool within_maxima(request *r, const machine_limits *wanted) {
    const maxima *most = &r->broker->maxima;
    if (wanted->memory_bytes <= most->memory_bytes && wanted->pids <= most->pids &&
        wanted->disk_bytes <= most->disk_bytes && wanted->cpu_millis <= most->cpu_millis)
        return true;
    request_refuse(r, "limit", NULL, "the container has limits beyond what may be given in this VM");
    return false;
}

// Whether the machine that the checkpoint tells of can be made here.
static bool fits_here(request *r, const machine *m, const checkpoint_head *head) {
    const broker *b = r->broker;
    const char *name = params_string(r->params, "checkpoint");
    char digest[72];
    bh_error err;
    if (m->kind != MACHINE_CONTAINER || !is_machine_id(m->id) || !is_profile(m->profile) || m->slot < 0) {
        request_refuse(r, "bad_request", "checkpoint", "checkpoint %s is not of a container", name);
    } else if (broker_find(b, m->id)) {
        request_refuse(r, "exists", "checkpoint", "there is a machine %s already: delete it first", m->id);
    } else if (!slot_is_free(b->machines, b->config.id_base, m->slot)) {
        request_refuse(r, "exists", "checkpoint", "another container here has the user ids that %s had", m->id);
    } else if (image_digest(b, m->image, digest, sizeof digest, &err) < 0 || strcmp(digest, head->image_digest) != 0) {
        request_refuse(r, "unsupported", "checkpoint",
                       "%s stood on another image than the %s here: its programs would not be the same", m->id,
                       m->image);
    } else if (*m->label) {
        request_refuse(r, "unsupported", "checkpoint", "%s had an SELinux label, which CRIU does not give back", m->id);
    } else {
        return within_maxima(r, &m->limits);
    }
    return false;
}

void container_restore(request *r) {
    const char *name = params_string(r->params, "checkpoint");
    checkpoint_head head;
    bh_error err;
    char boot[40];
    if (!r->broker->config.guest) {
        request_refuse(r, "unsupported", NULL, "containers are restored in VMs: ask the broker inside one");
        return;
    }
    if (checkpoint_read_head(r->broker, name, &head, &err) < 0) {
        request_refuse(r, err.code == ENOENT ? "not_found" : "bad_request", "checkpoint", "%s", err.message);
        return;
    }
    machine *m = machine_from_json(head.machine, boot, &err);
    if (!m) {
        request_refuse(r, "bad_request", "checkpoint", "checkpoint %s: %s", name, err.message);
    } else if (fits_here(r, m, &head)) {
        m->broker = r->broker;
        m->state = MACHINE_CREATING;
        m->pid = 0;
        m->restoring = json_pack("{s:s, s:O}", "checkpoint", name, "terminals", head.terminals);
        snprintf(r->machine, sizeof r->machine, "%s", m->id);
        broker_remember(r->broker, m);
        checkpoint_head_free(&head);
        machine_make(r, m, restore_container);
        return;
    } else {
        machine_free(m);
    }
    checkpoint_head_free(&head);
}
