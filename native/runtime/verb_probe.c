// `bulkhead probe`: what this host can do for Bulkhead. Most of it is asked in probe/; what is tried here is the
// launch's own code, so that what is said to work is what a launch does.
#include "base/cleanup.h"
#include "probe/probe.h"
#include "probe/trial.h"
#include "runtime/clone.h"
#include "runtime/config.h"
#include "runtime/handshake.h"
#include "runtime/launch.h"
#include "runtime/namespaces.h"
#include "runtime/rootfs.h"
#include "runtime/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIAL_TIMEOUT_MS 5000
// The exit statuses beside 0, fit; 1 is an error, as with every verb.
enum { LIMITED = 2, UNFIT = 3 };

// Ids that nobody on the host has: the broker's first range (broker/bulkheadd.c).
#define TRIAL_IDS 1342177280u

// The child's half: the root of a container, and a file written to it.
static _Noreturn void make_root(const config *c, int source, int handshake) {
    bh_error err = {0};
    int root = -1, stage;
    if (handshake_wait(handshake, HANDSHAKE_MAPPED, NULL, &err) == 0 &&
        (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
        bh_fail(&err, errno, "cannot become root of the user namespace");
    else if (!err.message[0])
        root = rootfs_make(c, source, -1, &stage, &err);
    int file = root < 0 ? -1 : openat(root, "bulkhead-probe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (root >= 0 && file < 0)
        bh_fail(&err, errno, "cannot write to the overlay");
    if (file < 0)
        handshake_send_error(handshake, &err);
    else
        handshake_send(handshake, HANDSHAKE_READY, 0, &err);
    _exit(0);
}

// The runtime's half, in a trial's process: `argument` is the config. Its child takes all mounts with it.
static int launch_root(void *argument, bh_error *err) {
    const config *c = argument;
    int ends[2];
    cleanup_fd int proc = launch_pin_proc(err);
    cleanup_fd int source = proc < 0 ? -1 : rootfs_open(c, err);
    if (source < 0 || handshake_make(ends, err) < 0)
        return -1;
    pid_t pid = clone_process(c->namespaces, -1, err);
    if (pid == 0)
        make_root(c, source, ends[1]);
    close(ends[1]);
    int result = pid < 0 ? -1 : namespaces_write_id_maps(c, proc, pid, err);
    if (result == 0)
        result = rootfs_map_ids(source, proc, pid, err);
    if (result == 0)
        result = handshake_send(ends[0], HANDSHAKE_MAPPED, 0, err);
    if (result == 0)
        result = handshake_wait(ends[0], HANDSHAKE_READY, NULL, err);
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    close(ends[0]);
    return result;
}

// Where containers' roots are, or will be: it is that file system which must be able to show files with other ids.
// Without a directory, that of a host or, as a VM has it, of a guest.
static void nearest_to_images(const char *images, char *path, size_t size) {
    struct stat info;
    const char *kept = stat("/run/bulkhead/images", &info) == 0 ? "/run/bulkhead/images" : "/var/lib/bulkhead/images";
    snprintf(path, size, "%s/base/rootfs", images ? images : kept);
    for (char *slash; stat(path, &info) < 0 && (slash = strrchr(path, '/')) > path;)
        *slash = '\0';
    if (stat(path, &info) < 0)
        snprintf(path, size, "/");
}

static void find_root(json_t *report, const char *images) {
    char path[PATH_MAX];
    nearest_to_images(images, path, sizeof path);
    config c = {
        .root_path = path,
        .overlay_size = 1 << 20,
        .overlay_inodes = -1,
        .namespaces = CLONE_NEWUSER | CLONE_NEWNS,
        .uid_maps = {{0, TRIAL_IDS, 65536}},
        .gid_maps = {{0, TRIAL_IDS, 65536}},
        .uid_map_count = 1,
        .gid_map_count = 1,
    };
    bh_error err = {0};
    char shown[600];
    bool works = trial_run(launch_root, &c, TRIAL_TIMEOUT_MS, &err) == 0;
    if (works)
        snprintf(shown, sizeof shown, "made of %s, and written to", c.root_path);
    else
        snprintf(shown, sizeof shown, "%s", err.message);
    probe_add(report,
              &(probe_finding){
                  .group = "mounts",
                  .name = "root",
                  .state = works ? PROBE_GOOD : PROBE_MISSING,
                  .value = json_boolean(works),
                  .shown = shown,
                  .means = works ? "An overlay in a user namespace, its lower layer id-mapped: one image serves "
                                   "every container, and what each writes is bounded and its own."
                                 : "A container's root cannot be put together: an overlay in a user namespace "
                                   "over the image, id-mapped.",
                  .remedy = works ? NULL
                                  : "Keep images on ext4, xfs, btrfs or erofs (not NFS, not another overlay), "
                                    "on Linux 5.19 or later.",
              });
}

static json_t *ask_host(const char *images) {
    json_t *report = json_array();
    probe_kernel(report);
    probe_cgroups(report);
    probe_namespaces(report);
    find_root(report, images);
    probe_seccomp(report);
    probe_lsm(report);
    probe_holes(report);
    probe_settings(report);
    probe_vms(report);
    probe_capacity(report);
    return report;
}

int verb_probe(const settings *s, int argc, char **argv, bh_error *err) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"images", required_argument, NULL, 'i'},
        {NULL, 0, NULL, 0},
    };
    (void)s;
    bool json = false;
    const char *images = NULL;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (option == 'j')
            json = true;
        else if (option == 'i')
            images = optarg;
        else
            return bh_fail(err, 0, "see bulkhead --help");
    }
    if (optind < argc)
        return bh_fail(err, 0, "probe takes no arguments but its options, not \"%s\"", argv[optind]);
    cleanup_json json_t *report = ask_host(images);
    if (json) {
        cleanup_json json_t *document = probe_document(report);
        json_dumpf(document, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        // https://no-color.org: whoever sets it, to anything, wants none.
        probe_print(report, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), stdout);
    }
    if (fflush(stdout) != 0)
        return bh_fail(err, errno, "cannot print what was found");
    probe_state worst = probe_worst(report);
    return worst == PROBE_MISSING ? UNFIT : (worst == PROBE_WEAK ? LIMITED : 0);
}
