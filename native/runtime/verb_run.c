// `bulkhead run` and `bulkhead create`.
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "runtime/capabilities.h"
#include "runtime/descriptors.h"
#include "runtime/explain.h"
#include "runtime/launch.h"
#include "runtime/seal.h"
#include "runtime/trace.h"
#include "runtime/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char *verb_absolute(const char *path) {
    char *absolute = NULL;
    if (!path)
        return NULL;
    if (*path == '/')
        return strdup(path);
    cleanup_free char *here = getcwd(NULL, 0);
    if (!here || asprintf(&absolute, "%s/%s", here, path) < 0)
        return NULL;
    return absolute;
}

int verb_wait(pid_t pid, bh_error *err) {
    // Blocked, so that sigwaitinfo takes them: what a caller sends to the runtime is meant for the container.
    sigset_t all;
    int status;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        // First a look, then a wait: the child may have ended before its SIGCHLD was blocked.
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended < 0)
            return bh_fail(err, errno, "cannot wait for pid %d", pid);
        if (ended == pid)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        int number = sigwaitinfo(&all, NULL);
        if (number > 0 && number != SIGCHLD)
            kill(pid, number);
    }
}

typedef struct run_options {
    launch_options launch;
    bool detach, explain;
    bool keep; // state and cgroup, after the end
} run_options;

static int parse(int argc, char **argv, run_options *o, const char **bundle, bh_error *err) {
    static const struct option options[] = {
        {"bundle", required_argument, NULL, 'b'},
        {"pid-file", required_argument, NULL, 'p'},
        {"console-socket", required_argument, NULL, 'c'},
        {"detach", no_argument, NULL, 'd'},
        {"preserve-fds", required_argument, NULL, 'f'},
        {"no-pivot", no_argument, NULL, 'P'},
        {"no-new-keyring", no_argument, NULL, 'K'},
        {"explain", no_argument, NULL, 'e'},
        {"keep", no_argument, NULL, 'k'},
        {"no-subreaper", no_argument, NULL, 'S'},
        {NULL, 0, NULL, 0},
    };
    *bundle = ".";
    for (int option; (option = getopt_long(argc, argv, "+b:d", options, NULL)) != -1;) {
        switch (option) {
        case 'b':
            *bundle = optarg;
            break;
        case 'p':
            o->launch.pid_file = optarg;
            break;
        case 'c':
            o->launch.console_socket = optarg;
            break;
        case 'd':
            o->detach = true;
            break;
        case 'f':
            if (descriptors_parse_preserved(optarg, &o->launch.preserve_fds, err) < 0)
                return -1;
            break;
        case 'e':
            o->explain = true;
            break;
        case 'k':
            o->keep = true;
            break;
        case 'S': // runc's opposite of what is done here never
            break;
        case 'P':
            return bh_fail(err, 0, "--no-pivot is not supported: a chroot can be left");
        case 'K':
            o->launch.keep_keyring = true;
            break;
        default:
            return bh_fail(err, 0, "see bulkhead --help");
        }
    }
    return (o->launch.id = verb_id(argc, argv, 0, err)) ? 0 : -1;
}

// Loads config.json and launches; relative paths in it are relative to the bundle.
static pid_t launch_bundle(run_options *o, const settings *s, const char *bundle, config *c, bh_error *err) {
    // Before chdir makes relative paths mean something else.
    cleanup_free char *root = verb_absolute(s->root), *pid_file = verb_absolute(o->launch.pid_file),
                      *console = verb_absolute(o->launch.console_socket), *bundle_path = realpath(bundle, NULL);
    cleanup_fd int folder = bundle_path ? open(bundle_path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (folder < 0)
        return bh_fail(err, errno, "cannot open the bundle %s", bundle);
    if (o->explain && explain_begin(err) < 0)
        return -1;
    uint64_t start = trace_now();
    // The document says whether to seal, and if so we begin again: until then nothing is made, and "." is the caller's.
    if (config_load(c, folder, "config.json", err) < 0 || seal_for_container(c, s->argv, s->trace_fd, err) < 0)
        return -1;
    if (config_default_cgroup(c, o->launch.id, err) < 0)
        return -1;
    if (fchdir(folder) < 0)
        return bh_fail(err, errno, "cannot go to the bundle %s", bundle);
    if (capabilities_keep_possible(&c->process.capabilities, c->namespaces & CLONE_NEWUSER, err) < 0)
        return -1;
    trace_step("config.json", start, "%s/config.json, OCI %s", bundle_path, c->oci_version);
    o->launch.root = root;
    o->launch.pid_file = pid_file;
    o->launch.console_socket = console;
    o->launch.bundle = bundle_path;
    return launch_container(&o->launch, c, err);
}

int verb_create(const settings *s, int argc, char **argv, bh_error *err) {
    run_options o = {.launch.wait_for_start = true};
    const char *bundle;
    config c = {0};
    if (parse(argc, argv, &o, &bundle, err) < 0)
        return -1;
    pid_t pid = launch_bundle(&o, s, bundle, &c, err);
    config_free(&c);
    return pid < 0 ? -1 : 0;
}

static int remove_ended(const char *root, const char *id, bh_error *err) {
    state ended = {0};
    bh_error missing = {0};
    cleanup_fd int dir = state_open_dir(root, id, &missing);
    if (dir < 0 && missing.code == ENOENT)
        return 0; // somebody else has deleted it
    if (dir < 0) {
        *err = missing;
        return -1;
    }
    int result = state_load(dir, id, &ended, err);
    if (result == 0)
        result = verb_remove_container(root, &ended, err);
    state_free(&ended);
    return result;
}

int verb_run(const settings *s, int argc, char **argv, bh_error *err) {
    run_options o = {0};
    const char *bundle;
    config c = {0};
    if (parse(argc, argv, &o, &bundle, err) < 0)
        return -1;
    cleanup_free char *root = verb_absolute(s->root);
    pid_t pid = launch_bundle(&o, s, bundle, &c, err);
    config_free(&c); // while the container runs: afterwards the caller would wait for it
    int status = pid < 0 ? -1 : 0;
    if (pid > 0 && !o.detach) {
        status = verb_wait(pid, err);
        // Nobody else would delete it: `run` in the foreground is create, start and delete.
        if (!o.keep && remove_ended(root, o.launch.id, err) < 0)
            status = -1;
    }
    return status;
}
