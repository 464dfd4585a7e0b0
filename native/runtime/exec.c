// Adding a process to a running container: see exec.h. Three processes take part:
//
//     runtime (host)          joiner                          the new process
//        | --- clone3 ---------> | joins cgroup, namespaces, becomes root
//        |                       | --- clone, CLONE_PARENT ---> | in the pid namespace, a child of the runtime
//        | <-- HANDSHAKE_PID --- | exits
//        | --- HANDSHAKE_MAPPED (after limits) --------------> | console, cwd, privileges
//        | <-- HANDSHAKE_READY ------------------------------- |
//        | --- HANDSHAKE_GO ---------------------------------> | exec
//
// The joiner is there because a pid namespace can be joined only for one's children, and because the runtime itself
// has to stay the host's root outside: it sets limits, writes the pid file, and must not be killed with the container.
// The joiner becomes the container's root as well, for nobody in there can see it do so.
//
// With --orphan there is one more, between joiner and new process and gone again at once: whoever loses its parent in a
// pid namespace becomes a child of that namespace's first process, and is then in the tree that CRIU walks.
#include "runtime/exec.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/apparmor.h"
#include "runtime/arguments.h"
#include "runtime/clone.h"
#include "runtime/console.h"
#include "runtime/handshake.h"
#include "runtime/launch.h"
#include "runtime/namespaces.h"
#include "runtime/owner.h"
#include "runtime/process.h"
#include "runtime/seccomp_notify.h"
#include "runtime/selinux_label.h"
#include "runtime/state.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_S = 10 }; // it takes a few milliseconds

typedef struct exec_context {
    const exec_options *options;
    const config *config;
    const process_config *process;
    int proc;                                          // the host's procfs, pinned
    char cgroup_path[sizeof((state *)0)->cgroup_path]; // the container's own; "" for none
    int init;                                          // pidfd of the container's first process
    int cgroup;                                        // v2: the group to clone into
    int console_socket;                                // -1: no terminal
    int handshake;                                     // this side's end
    int turn[2];                                       // a pipe: when the process between may speak
    seccomp_program filter;
    pid_t init_pid, joiner, pid;
    bool wrote_pid_file;
} exec_context;

int exec_load_config(const exec_options *options, config *c, bh_error *err) {
    cleanup_fd int dir = state_open_dir(options->root, options->id, err);
    if (dir < 0)
        return -1;
    return config_load(c, dir, STATE_CONFIG, err) < 0 ? bh_wrap(err, "container %s", options->id) : 0;
}

static int find_container(exec_context *x, bh_error *err) {
    state found = {0};
    cleanup_fd int dir = state_open_dir(x->options->root, x->options->id, err);
    if (dir < 0 || state_load(dir, x->options->id, &found, err) < 0)
        return -1;
    state_free(&found);
    // What goes into a frozen group stops there, and who waits for it with it.
    if (!x->options->even_paused && found.cgroup_path[0] && cgroup_is_frozen(found.cgroup_path))
        return bh_fail(err, 0, "container %s is paused (bulkhead resume %s, or exec --ignore-paused)", found.id,
                       found.id);
    x->init_pid = found.pid;
    memcpy(x->cgroup_path, found.cgroup_path, sizeof x->cgroup_path);
    return (x->init = state_open_process(&found, err)) < 0 ? -1 : 0;
}

// The container's own group, unless the caller wants to find again all that it started (--cgroup).
static const char *joined_group(const exec_context *x) {
    return x->options->cgroup ? x->options->cgroup : x->cgroup_path[0] ? x->cgroup_path : NULL;
}

static int open_host_files(exec_context *x, bh_error *err) {
    const exec_options *o = x->options;
    if (x->process->terminal != (o->console_socket != NULL))
        return bh_fail(err, 0,
                       x->process->terminal ? "a terminal needs --console-socket"
                                            : "--console-socket needs --tty or a process with a terminal");
    if (label_check(x->config, x->process, err) < 0 || apparmor_check(x->process->apparmor_profile, err) < 0 ||
        (x->proc = launch_pin_proc(err)) < 0 || find_container(x, err) < 0 ||
        seccomp_prepare(x->config->seccomp, o->root, &x->filter, err) < 0)
        return -1;
    if (x->process->terminal && (x->console_socket = console_connect(o->console_socket, err)) < 0)
        return -1;
    if (joined_group(x) && cgroup_version() == 2 && (x->cgroup = cgroup_open(joined_group(x), err)) < 0)
        return -1;
    // Where setgroups is denied inside, what we have would stay with the new process.
    return setgroups(0, NULL) < 0 ? bh_fail(err, errno, "cannot drop the supplementary groups") : 0;
}

// The new process's half, from the moment it is in all namespaces.
static int become_process(exec_context *x, bh_error *err) {
    const process_config *p = x->process;
    bool setgroups_allowed = !(x->config->namespaces & CLONE_NEWUSER) || x->config->setgroups;
    char program[PATH_MAX];
    if (handshake_wait(x->handshake, HANDSHAKE_MAPPED, NULL, err) < 0 || label_keyring(p, x->proc, err) < 0 ||
        process_start_session(false, err) < 0)
        return -1;
    if (x->console_socket >= 0) {
        cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        cleanup_fd int slave = console_open(p, root, x->console_socket, err);
        if (slave < 0 || console_take(slave, err) < 0)
            return -1;
    }
    if (process_enter_cwd(p, err) < 0 || label_program(p, x->proc, err) < 0 ||
        apparmor_enter_on_exec(p->apparmor_profile, x->proc, err) < 0 ||
        process_drop_privileges(p, setgroups_allowed, &x->filter, x->handshake, err) < 0 ||
        process_let_go_of_host(x->options->preserve_fds, &x->handshake, 1, err) < 0 ||
        process_find_program(p, program, sizeof program, err) < 0 ||
        handshake_send(x->handshake, HANDSHAKE_READY, 0, err) < 0 ||
        handshake_wait(x->handshake, HANDSHAKE_GO, NULL, err) < 0)
        return -1;
    return process_exec(p, program, &x->filter, x->options->preserve_fds, err);
}

static int join(exec_context *x, bh_error *err) {
    uint64_t start = trace_now();
    char names[96];
    if (joined_group(x) && x->cgroup < 0 && cgroup_join_self(joined_group(x), err) < 0)
        return -1;
    // All in one call, by the process and not by names in /proc: it is the one whose start time was checked. The user
    // namespace comes first in it, and with it the right to join the others.
    if (setns(x->init, (int)x->config->namespaces) < 0)
        return bh_fail(err, errno, "cannot join the namespaces of container %s", x->options->id);
    trace_step("setns", start, "%s", namespaces_describe(x->config->namespaces, names, sizeof names));
    // Still unseen: this process has no pid in the container. The one that will have one cannot be traced at any time.
    if (process_become_root(x->config, err) < 0)
        return -1;
    arguments_hide();
    if (x->options->orphan && pipe2(x->turn, O_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot make a pipe");
    x->pid = clone_process(CLONE_PARENT, -1, err);
    return x->pid < 0 ? -1 : 0;
}

// In the joiner: what the host calls the process that it has made.
static int tell_pid(exec_context *x, bh_error *err) {
    if (handshake_send(x->handshake, HANDSHAKE_PID, x->pid, err) < 0)
        return -1;
    if (x->options->orphan && write(x->turn[1], "", 1) != 1)
        return bh_fail(err, errno, "cannot give the process between its turn");
    return 0;
}

// In the process between: its own word is a number of the container's, and the runtime, which hears both on one socket,
// would take it for the host's number of this process, and kill whoever has that. So it comes second. A joiner that
// died gives no turn.
static int await_turn(exec_context *x, bh_error *err) {
    char turn;
    close(x->turn[1]);
    ssize_t got = read(x->turn[0], &turn, 1);
    close(x->turn[0]);
    return got == 1 ? 0 : bh_fail(err, 0, "the process that joined container %s has died", x->options->id);
}

// In the process between: its child goes on as the new process, and it waits to be killed by the runtime, which has to
// see the child first: only the host knows its pid there.
static int step_aside(exec_context *x, bh_error *err) {
    if (await_turn(x, err) < 0)
        return -1;
    pid_t child = clone_process(0, -1, err);
    if (child <= 0)
        return child;
    if (handshake_send(x->handshake, HANDSHAKE_PID, child, err) < 0)
        return -1;
    for (;;)
        pause();
}

static _Noreturn void run_joiner(exec_context *x) {
    bh_error err = {0};
    int result = join(x, &err);
    if (result == 0 && x->pid > 0)
        result = tell_pid(x, &err);
    else if (result == 0)
        result = x->options->orphan && step_aside(x, &err) < 0 ? -1 : become_process(x, &err);
    if (result < 0)
        handshake_send_error(x->handshake, &err);
    trace_flush();
    _exit(result < 0);
}

// On v2 a group whose subgroups have controllers may hold no process itself, and a container that owns its group can
// bring that about. Then the new process goes where the container's first one is, or, where that is a group of threads,
// to the one above, which is the whole process's.
static int open_cgroup_of_init(const exec_context *x, bh_error *err) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "%d/cgroup", x->init_pid);
    if (fs_read(x->proc, path, text, sizeof text, err) < 0)
        return -1;
    char *line = strstr(text, "0::/");
    if (!line)
        return bh_fail(err, 0, "cannot find the cgroup of pid %d", x->init_pid);
    for (char *group = line + 3, *end; (end = strrchr(group, '/')); *end = '\0') {
        bh_error threaded = {0};
        int fd = cgroup_open(group, &threaded);
        if (fd >= 0)
            return fd;
        *err = threaded;
        if (threaded.code != EOPNOTSUPP)
            return -1;
    }
    return -1;
}

// Takes the process between away: *x->pid becomes its child's.
static int orphan(exec_context *x, bh_error *err) {
    pid_t between = x->pid, unused;
    char path[64], children[64];
    snprintf(path, sizeof path, "%d/task/%d/children", between, between);
    int result = handshake_wait(x->handshake, HANDSHAKE_PID, &unused, err);
    if (result == 0)
        result = fs_read(x->proc, path, children, sizeof children, err) < 0 ? -1 : 0;
    x->pid = result == 0 ? (pid_t)strtol(children, NULL, 10) : -1;
    kill(between, SIGKILL);
    waitpid(between, NULL, 0);
    if (result == 0 && x->pid <= 0)
        result = bh_fail(err, 0, "cannot find the new process among the children of pid %d", between);
    return result;
}

static int clone_joiner(exec_context *x, bh_error *err) {
    int ends[2];
    // Whoever is in the container sees the new process and, as the same user, may stop it before it is ready: the
    // runtime, which no limit of the container's counts, must not wait for that.
    if (handshake_make(ends, err) < 0 || handshake_limit(ends[0], PATIENCE_S, err) < 0)
        return -1;
    bh_error busy = {0};
    x->handshake = ends[1];
    x->joiner = clone_process(0, x->cgroup, &busy);
    if (x->joiner < 0 && busy.code == EBUSY && x->cgroup >= 0) {
        close(x->cgroup);
        if ((x->cgroup = open_cgroup_of_init(x, &busy)) >= 0)
            x->joiner = clone_process(0, x->cgroup, &busy);
    }
    if (x->joiner == 0) {
        close(ends[0]);
        run_joiner(x);
    }
    x->handshake = ends[0];
    close(ends[1]);
    if (x->joiner < 0) {
        *err = busy;
        return -1;
    }
    int result = handshake_wait(x->handshake, HANDSHAKE_PID, &x->pid, err);
    waitpid(x->joiner, NULL, 0);
    return result == 0 && x->options->orphan ? orphan(x, err) : result;
}

// To the agent that answers for the container's own processes as well.
static int forward_listener(const exec_context *x, bh_error *err) {
    state found = {0};
    if (!x->filter.notifies)
        return 0;
    cleanup_fd int dir = state_open_dir(x->options->root, x->options->id, err);
    if (dir < 0 || state_load(dir, x->options->id, &found, err) < 0)
        return -1;
    hook_subject subject = {found.id, found.bundle, found.pid, found.annotations};
    int result = seccomp_forward(x->config->seccomp, &x->filter, x->handshake, x->pid,
                                 state_status_name(state_status_of(dir, &found)), &subject, err);
    state_free(&found);
    return result;
}

// As the owner of the container's user namespace: a runtime without CAP_SYS_RESOURCE may limit what it owns.
static int set_limits(const exec_context *x, bh_error *err) {
    const config *c = x->config;
    bool own_ids = namespaces_to_make(c) & CLONE_NEWUSER;
    if (own_ids && owner_begin(namespaces_host_root(c->uid_maps, c->uid_map_count), err) < 0)
        return -1;
    int result = process_set_limits(x->process, x->proc, x->pid, err);
    return own_ids && owner_end(err) < 0 ? -1 : result;
}

static int run_steps(exec_context *x, bh_error *err) {
    const scheduling *schedule = &x->process->scheduling;
    char pid[16];
    // What it starts inherits where it may run: on v2 the joiner is born in the group, on v1 it goes there.
    if (open_host_files(x, err) < 0 ||
        scheduling_pin(schedule->initial_cpus, 0, "process.execCPUAffinity.initial", err) < 0 ||
        clone_joiner(x, err) < 0 ||
        scheduling_pin(schedule->final_cpus, x->pid, "process.execCPUAffinity.final", err) < 0 ||
        set_limits(x, err) < 0 || handshake_send(x->handshake, HANDSHAKE_MAPPED, 0, err) < 0 ||
        forward_listener(x, err) < 0 || handshake_wait(x->handshake, HANDSHAKE_READY, NULL, err) < 0 ||
        label_verify_waiting(x->process, x->proc, x->pid, err) < 0 || scheduling_apply(schedule, x->pid, err) < 0)
        return -1;
    snprintf(pid, sizeof pid, "%d", x->pid);
    x->wrote_pid_file = x->options->pid_file != NULL;
    if (x->options->pid_file && fs_replace(AT_FDCWD, x->options->pid_file, pid, 0644, err) < 0)
        return -1;
    if (handshake_send(x->handshake, HANDSHAKE_GO, 0, err) < 0)
        return -1;
    return handshake_wait(x->handshake, HANDSHAKE_EXECED, NULL, err) < 0
               ? -1
               : label_verify_running(x->process, x->proc, x->pid, err);
}

pid_t exec_process(const exec_options *options, const config *c, const process_config *process, bh_error *err) {
    exec_context x = {.options = options,
                      .config = c,
                      .process = process,
                      .proc = -1,
                      .init = -1,
                      .cgroup = -1,
                      .console_socket = -1,
                      .handshake = -1,
                      .turn = {-1, -1}};
    int result = run_steps(&x, err);
    trace_flush();
    if (result < 0 && x.pid > 0) {
        kill(x.pid, SIGKILL);
        waitpid(x.pid, NULL, 0);
    }
    if (result < 0 && x.wrote_pid_file)
        unlink(options->pid_file);
    const int fds[] = {x.proc, x.init, x.cgroup, x.console_socket, x.handshake};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    seccomp_free(&x.filter);
    return result < 0 ? -1 : x.pid;
}
