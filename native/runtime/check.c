// Running a check: see check.h. As with exec (exec.c) three processes take part, but what is joined is less and what is
// made is more:
//
//     runtime (host)          joiner                              the check
//        | --- clone3 ---------> | cgroup; copies the machine's mounts; own mount namespace, own root
//        |                       | joins the machine's other namespaces, but for its user namespace
//        |                       | --- clone, CLONE_PARENT ------> | in the pid namespace, a child of the runtime
//        | <-- HANDSHAKE_PID --- | exits
//        | --- HANDSHAKE_MAPPED (after limits) -----------------> | /proc, /sys; pivot_root; privileges
//        | <-- HANDSHAKE_READY ---------------------------------- |
//        | --- HANDSHAKE_GO ------------------------------------> | exec
//
// It stays in the host's user namespace, as a user whom nobody in the machine is. There the machine's root, with
// whatever capabilities it has in its own, may not signal, trace or look into it (kill(2), ptrace(2)): the kernel asks
// for those in the namespace of the one to whom it is done. Of root's powers it keeps the two that are for looking.
#include "runtime/check.h"
#include "base/cleanup.h"
#include "runtime/arguments.h"
#include "runtime/check_root.h"
#include "runtime/clone.h"
#include "runtime/handshake.h"
#include "runtime/launch.h"
#include "runtime/namespaces.h"
#include "runtime/process.h"
#include "runtime/state.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_S = 10 };

#define LOOKING (1ull << CAP_SYS_PTRACE | 1ull << CAP_DAC_READ_SEARCH)

typedef struct check_context {
    const check_options *options;
    const config *config;
    process_config process;
    int proc;   // the host's procfs, pinned
    int init;   // pidfd of the machine's first process; -1: the machine is ours
    int cgroup; // v2: the group to clone into
    int root;   // of the check
    int handshake;
    seccomp_program filter;
    pid_t joiner, pid;
} check_context;

static int find_machine(check_context *x, bh_error *err) {
    state found = {0};
    const check_options *o = x->options;
    if (!o->id)
        return 0;
    cleanup_fd int dir = state_open_dir(o->root, o->id, err);
    if (dir < 0 || state_load(dir, o->id, &found, err) < 0)
        return -1;
    x->init = state_open_process(&found, err);
    state_free(&found);
    return x->init < 0 ? -1 : 0;
}

static int open_host_files(check_context *x, bh_error *err) {
    const check_options *o = x->options;
    if ((x->proc = launch_pin_proc(err)) < 0 || find_machine(x, err) < 0 ||
        seccomp_prepare(x->config->seccomp, o->root, &x->filter, err) < 0)
        return -1;
    if (o->cgroup && cgroup_version() == 2 && (x->cgroup = cgroup_open(o->cgroup, err)) < 0)
        return -1;
    return 0;
}

static int become_check(check_context *x, bh_error *err) {
    process_config *p = &x->process;
    if (handshake_wait(x->handshake, HANDSHAKE_MAPPED, NULL, err) < 0 || process_start_session(false, err) < 0 ||
        check_root_add_views(x->root, err) < 0 || check_root_enter(x->root, err) < 0 || process_enter_cwd(p, err) < 0 ||
        process_drop_privileges(p, true, &x->filter, x->handshake, err) < 0 ||
        process_let_go_of_host(0, &x->handshake, 1, err) < 0)
        return -1;
    // It ends with the runtime, and so with whoever set its time. A change of user takes this away (prctl(2)), so it
    // comes after; should the runtime be gone already, nobody says go.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (handshake_send(x->handshake, HANDSHAKE_READY, 0, err) < 0 ||
        handshake_wait(x->handshake, HANDSHAKE_GO, NULL, err) < 0)
        return -1;
    return process_exec(p, p->args[0], &x->filter, 0, err);
}

static int join(check_context *x, bh_error *err) {
    const check_options *o = x->options;
    uint64_t start = trace_now();
    char names[96];
    unsigned long joined = x->config->namespaces & ~(unsigned long)(CLONE_NEWUSER | CLONE_NEWNS);
    if (o->cgroup && x->cgroup < 0 && cgroup_join_self(o->cgroup, err) < 0)
        return -1;
    cleanup_fd int machine = check_copy_machine(x->init, x->proc, err);
    if (machine < 0)
        return -1;
    if (unshare(CLONE_NEWNS) < 0)
        return bh_fail(err, errno, "cannot make a mount namespace");
    if ((x->root = check_root_make(o->image, machine, o->script, o->length, err)) < 0)
        return -1;
    if (joined && setns(x->init, (int)joined) < 0)
        return bh_fail(err, errno, "cannot join the namespaces of container %s", o->id);
    trace_step("setns", start, "%s", namespaces_describe(joined, names, sizeof names));
    arguments_hide();
    x->pid = clone_process(CLONE_PARENT, -1, err);
    return x->pid < 0 ? -1 : 0;
}

static _Noreturn void run_joiner(check_context *x) {
    bh_error err = {0};
    int result = join(x, &err);
    if (result == 0)
        result = x->pid > 0 ? handshake_send(x->handshake, HANDSHAKE_PID, x->pid, &err) : become_check(x, &err);
    if (result < 0)
        handshake_send_error(x->handshake, &err);
    trace_flush();
    _exit(result < 0);
}

static int clone_joiner(check_context *x, bh_error *err) {
    int ends[2];
    if (handshake_make(ends, err) < 0 || handshake_limit(ends[0], PATIENCE_S, err) < 0)
        return -1;
    x->handshake = ends[1];
    x->joiner = clone_process(0, x->cgroup, err);
    if (x->joiner == 0) {
        close(ends[0]);
        run_joiner(x);
    }
    x->handshake = ends[0];
    close(ends[1]);
    if (x->joiner < 0)
        return -1;
    int result = handshake_wait(x->handshake, HANDSHAKE_PID, &x->pid, err);
    waitpid(x->joiner, NULL, 0);
    return result;
}

static int run_steps(check_context *x, bh_error *err) {
    if (open_host_files(x, err) < 0 || clone_joiner(x, err) < 0 ||
        process_set_limits(&x->process, x->proc, x->pid, err) < 0 ||
        handshake_send(x->handshake, HANDSHAKE_MAPPED, 0, err) < 0 ||
        handshake_wait(x->handshake, HANDSHAKE_READY, NULL, err) < 0 ||
        handshake_send(x->handshake, HANDSHAKE_GO, 0, err) < 0)
        return -1;
    return handshake_wait(x->handshake, HANDSHAKE_EXECED, NULL, err);
}

pid_t check_process(const check_options *options, const config *c, bh_error *err) {
    static const char *args[] = {CHECK_SCRIPT, NULL};
    char root_uid[48];
    // Files and processes of the machine show the host's ids here.
    snprintf(root_uid, sizeof root_uid, "MACHINE_ROOT=%u", namespaces_host_root(c->uid_maps, c->uid_map_count));
    const char *env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "HOME=/tmp",
                         "LANG=C.UTF-8",
                         "MACHINE=" CHECK_MACHINE,
                         root_uid,
                         NULL};
    // No core dumps (broker/profile.c says why 1), and before the broker where the host's memory runs out.
    static process_rlimit limits[] = {{RLIMIT_CORE, {1, 1}}};
    check_context x = {.options = options, .config = c, .proc = -1, .init = -1, .cgroup = -1, .root = -1};
    x.handshake = -1;
    x.process = (process_config){
        .uid = options->user,
        .gid = options->user,
        .umask = 022,
        .args = args,
        .env = env,
        .cwd = "/",
        .no_new_privileges = true,
        .has_oom_score = true,
        .oom_score = 500,
        // Ambient too: this user is not root, and would lose them when it executes a program (capabilities(7)).
        .capabilities = {LOOKING, LOOKING, LOOKING, LOOKING, LOOKING},
        .rlimits = limits,
        .rlimit_count = 1,
    };
    int result = run_steps(&x, err);
    trace_flush();
    if (result < 0 && x.pid > 0) {
        kill(x.pid, SIGKILL);
        waitpid(x.pid, NULL, 0);
    }
    const int fds[] = {x.proc, x.init, x.cgroup, x.handshake};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    seccomp_free(&x.filter);
    return result < 0 ? -1 : x.pid;
}
