// `bulkhead start`, `state`, `kill`, `delete` and `list`.
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "runtime/handshake.h"
#include "runtime/hooks.h"
#include "runtime/state.h"
#include "runtime/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { DEATH_TIMEOUT_MS = 10000 };

const char *verb_id(int argc, char **argv, int more, bh_error *err) {
    if (optind >= argc) {
        bh_fail(err, 0, "the container's id is missing (see bulkhead --help)");
        return NULL;
    }
    if (optind + 1 + more < argc) {
        bh_fail(err, 0, "unexpected argument \"%s\"", argv[optind + 1 + more]);
        return NULL;
    }
    return state_check_id(argv[optind], err) < 0 ? NULL : argv[optind];
}

// The container's folder and what it says. Returns the folder's fd.
static int open_container(const settings *s, const char *id, state *found, bh_error *err) {
    cleanup_fd int dir = state_open_dir(s->root, id, err);
    if (dir < 0 || state_load(dir, id, found, err) < 0)
        return -1;
    return take_fd(&dir);
}

static int start_created(int dir, const state *found, bh_error *err) {
    state_status status = state_status_of(dir, found);
    if (status != STATE_CREATED)
        return bh_fail(err, 0, "container %s is %s; only a created one can be started", found->id,
                       state_status_name(status));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" STATE_START_SOCKET, dir);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return bh_fail(err, errno, "cannot reach the waiting container %s", found->id);
    // Gone before it runs: from here on the container counts as running, and nobody can start it twice.
    if (unlinkat(dir, STATE_START_SOCKET, 0) < 0)
        return bh_fail(err, errno, "cannot start container %s twice", found->id);
    if (handshake_send(fd, HANDSHAKE_GO, 0, err) < 0)
        return -1;
    return handshake_wait(fd, HANDSHAKE_EXECED, NULL, err);
}

int verb_start(const settings *s, int argc, char **argv, bh_error *err) {
    state found = {0};
    const char *id = verb_id(argc, argv, 0, err);
    cleanup_fd int dir = id ? open_container(s, id, &found, err) : -1;
    if (dir < 0)
        return -1;
    int result = start_created(dir, &found, err);
    hook_subject subject = {found.id, found.bundle, found.pid, found.annotations};
    if (result == 0)
        hooks_run_all(found.hooks, HOOK_POSTSTART, &subject);
    state_free(&found);
    return result;
}

int verb_state(const settings *s, int argc, char **argv, bh_error *err) {
    state found = {0};
    const char *id = verb_id(argc, argv, 0, err);
    cleanup_fd int dir = id ? open_container(s, id, &found, err) : -1;
    if (dir < 0)
        return -1;
    cleanup_json json_t *object = state_to_json(dir, &found);
    state_free(&found);
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    return 0;
}

// "9", "KILL" and "SIGKILL" are one. -1 for what is none.
static int signal_number(const char *name) {
    char *end;
    long number = strtol(name, &end, 10);
    if (*name && *end == '\0')
        return number > 0 && number < NSIG ? (int)number : -1;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);
        if (known && strcasecmp(known, name) == 0)
            return i;
    }
    return -1;
}

// A signal waits while its process is frozen; this one is not meant to wait.
static void wake_to_die(const state *found, int number) {
    bh_error ignored;
    if (number == SIGKILL && found->cgroup_path[0] && cgroup_is_frozen(found->cgroup_path))
        cgroup_freeze(found->cgroup_path, false, &ignored);
}

// Each process in the group, those that `exec` added and, where the pid namespace is the host's, those that outlived
// the first one.
static int kill_all(const state *found, int number, bh_error *err) {
    return found->cgroup_path[0] ? cgroup_signal(found->cgroup_path, number, err)
                                 : bh_fail(err, 0, "kill --all needs linux.cgroupsPath");
}

int verb_kill(const settings *s, int argc, char **argv, bh_error *err) {
    static const struct option options[] = {{"all", no_argument, NULL, 'a'}, {NULL, 0, NULL, 0}};
    bool all = false;
    for (int option; (option = getopt_long(argc, argv, "+a", options, NULL)) != -1;) {
        if (option != 'a')
            return bh_fail(err, 0, "see bulkhead --help");
        all = true;
    }
    state found = {0};
    const char *id = verb_id(argc, argv, 1, err);
    cleanup_fd int dir = id ? open_container(s, id, &found, err) : -1;
    if (dir < 0)
        return -1;
    state_free(&found);
    const char *name = optind + 1 < argc ? argv[optind + 1] : "SIGTERM";
    int number = signal_number(name);
    if (number < 0)
        return bh_fail(err, 0, "there is no signal \"%s\"", name);
    if (all)
        return kill_all(&found, number, err);
    cleanup_fd int process = state_open_process(&found, err);
    if (process < 0)
        return -1;
    if (pidfd_send_signal(process, number, NULL, 0) < 0)
        return bh_fail(err, errno, "cannot send %s to container %s", name, id);
    wake_to_die(&found, number);
    return 0;
}

int verb_remove_container(const char *root, const state *container, bh_error *err) {
    // The group first: while a process of it lives the folder must go on saying where it is. The hooks last: they are
    // told of a container that is no more.
    const char *cgroup_path = container->cgroup_path;
    hook_subject subject = {container->id, container->bundle, 0, container->annotations};
    if (*cgroup_path &&
        (cgroup_kill_all(cgroup_path, DEATH_TIMEOUT_MS, err) < 0 || cgroup_delete(cgroup_path, err) < 0))
        return -1;
    if (state_remove_dir(root, container->id, err) < 0)
        return -1;
    hooks_run_all(container->hooks, HOOK_POSTSTOP, &subject);
    return 0;
}

// Ends the container's first process, and with it its pid namespace.
static int kill_process(const state *found, bh_error *err) {
    bh_error gone = {0};
    cleanup_fd int process = state_open_process(found, &gone);
    if (process < 0)
        return 0;
    // By pidfd, which cannot come to mean another process, as a pid can between the look and the kill. It also tells
    // when the process has ended, although it is no child of ours.
    struct pollfd ended = {.fd = process, .events = POLLIN};
    if (pidfd_send_signal(process, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        return bh_fail(err, errno, "cannot kill container %s", found->id);
    wake_to_die(found, SIGKILL);
    if (poll(&ended, 1, DEATH_TIMEOUT_MS) <= 0)
        return bh_fail(err, ETIMEDOUT,
                       "container %s (pid %d) does not die (stuck in the kernel, or a cgroup above it frozen?)",
                       found->id, found->pid);
    return 0;
}

// Its maker was killed before it had written down what it made. The document says where its group would be, and not
// whose it is: one in which there are processes is somebody else's, for those of a half-made container end with its
// maker.
static int remove_half_made(const char *root, int dir, const char *id, bh_error *err) {
    config c;
    bh_error unread = {0}, busy = {0};
    bool in_group = config_load(&c, dir, STATE_CONFIG, &unread) == 0 && c.cgroup_path;
    int removed = in_group ? cgroup_delete(c.cgroup_path, &busy) : 0;
    config_free(&c);
    if (removed < 0 && busy.code != EBUSY) {
        *err = busy;
        return -1;
    }
    return state_remove_dir(root, id, err);
}

int verb_delete(const settings *s, int argc, char **argv, bh_error *err) {
    static const struct option options[] = {{"force", no_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    bool force = false;
    for (int option; (option = getopt_long(argc, argv, "+f", options, NULL)) != -1;) {
        if (option != 'f')
            return bh_fail(err, 0, "see bulkhead --help");
        force = true;
    }
    state found = {0};
    const char *id = verb_id(argc, argv, 0, err);
    if (!id)
        return -1;
    bh_error missing = {0};
    cleanup_fd int dir = open_container(s, id, &found, &missing);
    if (dir < 0) {
        *err = missing;
        return force && missing.code == ENOENT ? 0 : -1;
    }
    state_status status = state_status_of(dir, &found);
    if (status == STATE_CREATING)
        return remove_half_made(s->root, dir, id, err);
    int result = 0;
    if (status == STATE_RUNNING && !force)
        result = bh_fail(err, 0, "container %s is running (bulkhead kill %s, or delete --force)", id, id);
    if (result == 0 && (result = kill_process(&found, err)) == 0)
        result = verb_remove_container(s->root, &found, err);
    state_free(&found);
    return result;
}

static json_t *list_containers(const settings *s, bh_error *err) {
    json_t *list = json_array();
    cleanup_dir DIR *root = opendir(s->root);
    if (!root && errno != ENOENT)
        bh_fail(err, errno, "cannot read --root %s", s->root);
    for (struct dirent *entry; root && (entry = readdir(root));) {
        state found = {0};
        bh_error ignored; // a container that is deleted meanwhile is not listed
        if (entry->d_name[0] == '.')
            continue;
        cleanup_fd int dir = open_container(s, entry->d_name, &found, &ignored);
        if (dir >= 0)
            json_array_append_new(list, state_to_json(dir, &found));
        state_free(&found);
    }
    return list;
}

int verb_list(const settings *s, int argc, char **argv, bh_error *err) {
    static const struct option options[] = {
        {"quiet", no_argument, NULL, 'q'}, {"format", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    bool quiet = false, json = false;
    for (int option; (option = getopt_long(argc, argv, "+qf:", options, NULL)) != -1;) {
        if (option != 'q' && option != 'f')
            return bh_fail(err, 0, "see bulkhead --help");
        quiet |= option == 'q';
        if (option == 'f' && verb_format(optarg, &json, err) < 0)
            return -1;
    }
    bh_error failure = {0};
    cleanup_json json_t *list = list_containers(s, &failure);
    if (failure.message[0]) {
        *err = failure;
        return -1;
    }
    if (json) {
        json_dumpf(list, stdout, JSON_COMPACT);
        putchar('\n');
        return 0;
    }
    if (!quiet)
        printf("%-32s %-8s %-8s %-20s %-8s %s\n", "ID", "PID", "STATUS", "CREATED", "OWNER", "BUNDLE");
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item) {
        const char *id = json_string_value(json_object_get(item, "id"));
        if (quiet)
            puts(id);
        else
            printf(
                "%-32s %-8d %-8s %-20s %-8s %s\n", id, (int)json_integer_value(json_object_get(item, "pid")),
                json_string_value(json_object_get(item, "status")), json_string_value(json_object_get(item, "created")),
                json_string_value(json_object_get(item, "owner")), json_string_value(json_object_get(item, "bundle")));
    }
    return 0;
}
