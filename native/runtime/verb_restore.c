// `bulkhead restore`: makes the container of a bundle again out of what `bulkhead checkpoint` wrote down, here or on
// another host. Cgroup and root file system are made as for any container; all else is CRIU's.
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fd_passing.h"
#include "base/fs.h"
#include "runtime/console.h"
#include "runtime/criu.h"
#include "runtime/launch.h"
#include "runtime/namespaces.h"
#include "runtime/rootfs.h"
#include "runtime/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_S = 60, ROOT_PATH_MAX = 640 };
#define ROOT_DIR "root" // in the container's state folder: where its root is mounted, in our own mount namespace

typedef struct restoration {
    launch_options options;
    const char *images, *bundle;
    bool hold;
    launch *launch;
} restoration;

// The image as the container's ids see it.
static int map_image(const launch *l, bh_error *err) {
    const config *c = l->config;
    if (!(c->namespaces & CLONE_NEWUSER))
        return 0;
    id_maps maps = {.uid_count = c->uid_map_count, .gid_count = c->gid_map_count};
    memcpy(maps.uids, c->uid_maps, sizeof maps.uids);
    memcpy(maps.gids, c->gid_maps, sizeof maps.gids);
    pid_t holder = namespaces_hold_id_maps(&maps, l->proc, err);
    if (holder < 0)
        return -1;
    int result = rootfs_map_ids(l->root_source, l->proc, holder, err);
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    return result;
}

static const char *root_path(const launch *l, char path[ROOT_PATH_MAX]) {
    snprintf(path, ROOT_PATH_MAX, "%s/%s/" ROOT_DIR, l->options->root, l->options->id);
    return path;
}

// Mounts the root where CRIU is to find it, and nobody else.
static int mount_root(launch *l, bh_error *err) {
    cleanup_fd int stage = -1;
    char path[ROOT_PATH_MAX];
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return bh_fail(err, errno, "cannot have mounts of our own");
    if (map_image(l, err) < 0)
        return -1;
    cleanup_fd int root = rootfs_make_overlay(l->config, l->root_source, l->layer, &stage, err);
    if (root < 0)
        return -1;
    // The overlay holds its layers; what they were put together on still covers "/".
    if (fchdir(stage) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return bh_fail(err, errno, "cannot let go of the overlay's layers");
    if (mkdirat(l->state_dir, ROOT_DIR, 0700) < 0)
        return bh_fail(err, errno, "cannot make a place for the root");
    // By its name: the state folder was opened in the mount namespace that we have left.
    cleanup_fd int place = open(root_path(l, path), O_PATH | O_DIRECTORY | O_CLOEXEC);
    return place < 0 || move_mount(root, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
               ? bh_fail(err, errno, "cannot mount the root")
               : 0;
}

// A terminal of the container's: by its number there whoever holds terminals knows which one it is.
static int hand_out(const restoration *r, int master, bh_error *err) {
    unsigned number;
    char name[32];
    if (r->launch->console_socket < 0)
        return bh_fail(err, 0, "the container has a terminal: --console-socket says who is to hold it");
    if (ioctl(master, TIOCGPTN, &number) < 0)
        return bh_fail(err, errno, "CRIU handed out something that is no pty");
    snprintf(name, sizeof name, "/dev/pts/%u\n", number);
    return fd_send(r->launch->console_socket, name, strlen(name), master, err);
}

static int stage_reached(void *context, const char *stage, int file, bh_error *err) {
    const restoration *r = context;
    cleanup_fd int master = file;
    if (strcmp(stage, "orphan-pts-master") == 0 && master >= 0)
        return hand_out(r, master, err);
    if (strcmp(stage, "pre-resume") == 0 && r->hold)
        return cgroup_freeze(r->launch->config->cgroup_path, true, err);
    return 0;
}

static int run_criu(restoration *r, bh_error *err) {
    launch *l = r->launch;
    char root[ROOT_PATH_MAX];
    cleanup_fd int images = open(r->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (images < 0)
        return bh_fail(err, errno, "cannot open what was written down, %s", r->images);
    const criu_request request = {.restore = true,
                                  .images = images,
                                  .root = root_path(l, root),
                                  .patience_s = PATIENCE_S,
                                  .stage = stage_reached,
                                  .context = r};
    l->pid = criu_ask(&request, err);
    return l->pid < 0 ? -1 : 0;
}

static int restore(restoration *r, const config *c, bh_error *err) {
    launch l = launch_new(&r->options, c);
    r->launch = &l;
    if (!c->cgroup_path || c->overlay_size < 0)
        return bh_fail(err, 0, "restore needs linux.cgroupsPath and annotations.dev.bulkhead.overlay.size");
    if ((l.state_dir = state_make_dir(r->options.root, r->options.id, err)) < 0)
        return -1;
    int result = fs_replace(l.state_dir, STATE_CONFIG, c->text, 0600, err);
    if (result == 0 && r->options.console_socket)
        result = (l.console_socket = console_connect(r->options.console_socket, err)) < 0 ? -1 : 0;
    if (result == 0 && ((l.proc = launch_pin_proc(err)) < 0 || (l.root_source = rootfs_open(c, err)) < 0 ||
                        rootfs_open_layer(c, &l.layer, err) < 0 || mounts_prepare(c, &l.mounts, err) < 0 ||
                        launch_make_cgroup(&l, err) < 0 || mount_root(&l, err) < 0 || run_criu(r, err) < 0 ||
                        launch_save(&l, err) < 0))
        result = -1;
    if (result < 0)
        launch_undo(&l);
    launch_release(&l);
    return result;
}

int verb_restore(const settings *s, int argc, char **argv, bh_error *err) {
    static const struct option options[] = {{"image-path", required_argument, NULL, 'i'},
                                            {"bundle", required_argument, NULL, 'b'},
                                            {"pid-file", required_argument, NULL, 'p'},
                                            {"console-socket", required_argument, NULL, 'c'},
                                            {"hold", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    restoration r = {.images = "checkpoint", .bundle = "."};
    for (int option; (option = getopt_long(argc, argv, "+b:", options, NULL)) != -1;) {
        if (option == 'i')
            r.images = optarg;
        else if (option == 'b')
            r.bundle = optarg;
        else if (option == 'p')
            r.options.pid_file = optarg;
        else if (option == 'c')
            r.options.console_socket = optarg;
        else if (option == 'h')
            r.hold = true;
        else
            return bh_fail(err, 0, "see bulkhead --help");
    }
    if (!(r.options.id = verb_id(argc, argv, 0, err)))
        return -1;
    cleanup_free char *root = verb_absolute(s->root), *pid_file = verb_absolute(r.options.pid_file),
                      *bundle = realpath(r.bundle, NULL);
    cleanup_fd int folder = bundle ? open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (folder < 0)
        return bh_fail(err, errno, "cannot open the bundle %s", r.bundle);
    config c;
    if (config_load(&c, folder, "config.json", err) < 0)
        return bh_wrap(err, "%s", bundle);
    r.options.root = root;
    r.options.pid_file = pid_file;
    r.options.bundle = bundle;
    int result = restore(&r, &c, err);
    config_free(&c);
    if (result == 0)
        return 0;
    bh_wrap(err, "container %s", r.options.id);
    return verb_tell_cannot_move(err);
}
