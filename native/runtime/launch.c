// Making a container, the runtime's half. run_steps is the whole act; the child it clones goes on in init.c.
#include "runtime/launch.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/apparmor.h"
#include "runtime/clone.h"
#include "runtime/console.h"
#include "runtime/handshake.h"
#include "runtime/hooks.h"
#include "runtime/namespaces.h"
#include "runtime/owner.h"
#include "runtime/process.h"
#include "runtime/rootfs.h"
#include "runtime/seccomp_notify.h"
#include "runtime/selinux_label.h"
#include "runtime/state.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { UNDO_TIMEOUT_MS = 2000 };

int launch_pin_proc(bh_error *err) {
    // Opened once and checked: a later "/proc/..." could be something that was mounted there since (CVE-2025-52881).
    cleanup_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return bh_fail(err, errno, "cannot open /proc");
    return fs_check_magic(proc, PROC_SUPER_MAGIC, "/proc", err) < 0 ? -1 : take_fd(&proc);
}

// A listening socket in the state folder. By way of /proc/self/fd, for a socket's path is at most 107 bytes long.
static int listen_for_start(int state_dir, bh_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" STATE_START_SOCKET, state_dir);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0)
        return bh_fail(err, errno, "cannot make the socket that waits for `start`");
    return take_fd(&fd);
}

// All that only the host's root may open, before there is a child that could be seen from inside.
static int open_host_files(launch *l, bh_error *err) {
    const launch_options *o = l->options;
    const config *c = l->config;
    uint64_t start = trace_now();
    if (c->process.terminal != (o->console_socket != NULL))
        return bh_fail(err, 0,
                       c->process.terminal ? "process.terminal needs --console-socket"
                                           : "--console-socket needs process.terminal");
    if (label_check(c, &c->process, err) < 0 || apparmor_check(c->process.apparmor_profile, err) < 0 ||
        (l->proc = launch_pin_proc(err)) < 0 || (l->root_source = rootfs_open(c, err)) < 0 ||
        rootfs_open_layer(c, &l->layer, err) < 0 || mounts_prepare(c, &l->mounts, err) < 0)
        return -1;
    if (c->process.terminal && (l->console_socket = console_connect(o->console_socket, err)) < 0)
        return -1;
    if (o->wait_for_start && (l->start_socket = listen_for_start(l->state_dir, err)) < 0)
        return -1;
    trace_step("open", start, "%s and the sources of %zu mounts, as the host's root", c->root_path, c->mount_count);

    start = trace_now();
    if (seccomp_prepare(c->seccomp, o->root, &l->filter, err) < 0)
        return -1;
    trace_step("seccomp", start, "%d BPF instructions from linux.seccomp",
               l->filter.lengths[SECCOMP_REFUSALS] + l->filter.lengths[SECCOMP_MAIN]);
    return 0;
}

// Where the container may change what it sees in its cgroup mount, it is meant to own its subtree.
static bool wants_delegation(const config *c, const mount_plan *mounts) {
    if (cgroup_version() != 2 || !(c->namespaces & CLONE_NEWUSER) || !(c->namespaces & CLONE_NEWCGROUP))
        return false;
    for (size_t i = 0; i < c->mount_count; i++)
        if (strncmp(c->mounts[i].type, "cgroup", 6) == 0 && !(mounts[i].options.set & MOUNT_ATTR_RDONLY))
            return true;
    return false;
}

int launch_make_cgroup(launch *l, bh_error *err) {
    const config *c = l->config;
    cleanup_free pid_t *pids = NULL;
    uint64_t start = trace_now();
    if (!c->cgroup_path)
        return 0;
    // Before anything is made or limited, and long before `delete` kills and removes what is in there: it has to be
    // ours alone. A group that is not there has no processes.
    int others = cgroup_read_pids(c->cgroup_path, &pids, err);
    if (others != 0)
        return others < 0 ? -1
                          : bh_fail(err, 0, "linux.cgroupsPath %s already has processes (first: pid %d)",
                                    c->cgroup_path, pids[0]);
    l->owns_cgroup = true;
    if (cgroup_create(c->cgroup_path, &c->limits, err) < 0)
        return -1;
    if (cgroup_apply(c->cgroup_path, c->settings, c->setting_count, err) < 0)
        return bh_wrap(err, "cgroup %s", c->cgroup_path);
    if (cgroup_allow_devices(c->cgroup_path, c->device_rules, c->device_rule_count, err) < 0)
        return bh_wrap(err, "linux.resources.devices");
    // After all that is written here as root: from now on its owner may write in it as well.
    if (wants_delegation(c, l->mounts) &&
        cgroup_delegate(c->cgroup_path, namespaces_host_root(c->uid_maps, c->uid_map_count),
                        namespaces_host_root(c->gid_maps, c->gid_map_count), err) < 0)
        return -1;
    if (cgroup_version() == 2 && (l->cgroup = cgroup_open(c->cgroup_path, err)) < 0)
        return -1;
    trace_step("cgroup", start, "v%d %s: memory %lld bytes, %lld pids, cpu %lld us of %lld us, %zu device rules",
               cgroup_version(), c->cgroup_path, (long long)c->limits.memory_bytes, (long long)c->limits.pids,
               (long long)c->limits.cpu_quota_us, (long long)c->limits.cpu_period_us, c->device_rule_count);
    return 0;
}

// As for exec, a process between joins the namespaces that exist and makes the child there. The runtime itself stays on
// the host, where its hooks run and its files are.
static pid_t clone_by_joiner(launch *l, unsigned long flags, bh_error *err) {
    int ends[2], pid = -1;
    bh_error failure = {0};
    if (handshake_make(ends, err) < 0)
        return -1;
    pid_t joiner = clone_process(0, -1, err);
    if (joiner == 0) {
        close(ends[0]);
        // While the host's cgroup file systems are still in sight.
        if (l->config->cgroup_path && l->cgroup < 0 && cgroup_join_self(l->config->cgroup_path, &failure) == 0)
            l->joined_cgroup = true;
        if (!failure.message[0] && namespaces_enter_existing(l->config, &failure) == 0)
            pid = clone_process(flags | CLONE_PARENT, l->cgroup, &failure);
        if (pid == 0) {
            close(ends[1]);
            return 0;
        }
        if (pid < 0)
            handshake_send_error(ends[1], &failure);
        else
            handshake_send(ends[1], HANDSHAKE_PID, pid, &failure);
        _exit(pid < 0);
    }
    close(ends[1]);
    int result = joiner < 0 ? -1 : handshake_wait(ends[0], HANDSHAKE_PID, &pid, err);
    close(ends[0]);
    if (joiner > 0)
        waitpid(joiner, NULL, 0);
    return result < 0 ? -1 : pid;
}

static int clone_init(launch *l, bh_error *err) {
    int ends[2];
    char names[96];
    uint64_t start = trace_now();
    // All at once: the user namespace is made first and owns the others (clone(2)). Not the cgroup namespace, whose
    // root is to be the group that the child joins first.
    unsigned long flags = namespaces_to_make(l->config) & ~(unsigned long)CLONE_NEWCGROUP;
    bool own_ids = flags & CLONE_NEWUSER;
    if (handshake_make(ends, err) < 0)
        return -1;
    // What a child of ours inherits and cannot drop where setgroups is denied.
    if (setgroups(0, NULL) < 0)
        return bh_fail(err, errno, "cannot drop the supplementary groups");
    if (own_ids && owner_begin(namespaces_host_root(l->config->uid_maps, l->config->uid_map_count), err) < 0)
        return -1;
    l->pid = namespaces_any_existing(l->config) ? clone_by_joiner(l, flags, err) : clone_process(flags, l->cgroup, err);
    if (l->pid == 0) {
        close(ends[0]);
        l->handshake = ends[1];
        init_become_container(l);
    }
    close(ends[1]);
    l->handshake = ends[0];
    if (own_ids && owner_end(err) < 0)
        return -1;
    trace_step("clone3", start, "%s%s", namespaces_describe(flags, names, sizeof names),
               l->cgroup >= 0 ? ", into its cgroup" : "");
    return l->pid < 0 ? -1 : 0;
}

static int map_ids(launch *l, bh_error *err) {
    const config *c = l->config;
    uint64_t start = trace_now();
    if (namespaces_to_make(c) & CLONE_NEWUSER) {
        if (namespaces_write_id_maps(c, l->proc, l->pid, err) < 0)
            return -1;
        trace_step("id maps", start, "uid %u is %u on the host, %u ids%s", c->uid_maps[0].container_id,
                   c->uid_maps[0].host_id, c->uid_maps[0].size, c->setgroups ? "" : ", setgroups denied");
    }
    if (mounts_map_ids(c, l->mounts, l->proc, l->pid, err) < 0)
        return -1;
    start = trace_now();
    if (c->overlay_size > 0 && (c->namespaces & CLONE_NEWUSER)) {
        if (rootfs_map_ids(l->root_source, l->proc, l->pid, err) < 0)
            return -1;
        trace_step("idmapped lower layer", start, "%s as the container's ids see it", c->root_path);
    }
    return 0;
}

// As the owner: a runtime without CAP_SYS_RESOURCE, in a container itself, may lower the limits of what it owns.
static int set_process_limits(const launch *l, bh_error *err) {
    const config *c = l->config;
    bool own_ids = namespaces_to_make(c) & CLONE_NEWUSER;
    if (own_ids && owner_begin(namespaces_host_root(c->uid_maps, c->uid_map_count), err) < 0)
        return -1;
    int result = process_set_limits(&c->process, l->proc, l->pid, err);
    return own_ids && owner_end(err) < 0 ? -1 : result;
}

int launch_save(launch *l, bh_error *err) {
    const launch_options *o = l->options;
    state s = {.pid = l->pid,
               .start_ticks = state_process_start(l->pid),
               .annotations = l->config->annotations,
               .hooks = l->config->hooks};
    siginfo_t ended = {0};
    // A state without it would say "stopped" of a container that runs. One that has ended has none, and is about to say
    // why over the handshake.
    if (s.start_ticks == 0 && waitid(P_PID, (id_t)l->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        ended.si_pid == 0)
        return bh_fail(err, 0, "cannot tell from /proc/%d/stat when the container's process began", l->pid);
    const char *root = l->config->root_path;
    time_t now = time(NULL);
    struct tm utc;
    snprintf(s.id, sizeof s.id, "%s", o->id);
    snprintf(s.bundle, sizeof s.bundle, "%s", o->bundle);
    snprintf(s.rootfs, sizeof s.rootfs, "%s%s%s", *root == '/' ? "" : o->bundle, *root == '/' ? "" : "/", root);
    snprintf(s.cgroup_path, sizeof s.cgroup_path, "%s", l->config->cgroup_path ? l->config->cgroup_path : "");
    strftime(s.created, sizeof s.created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    if (state_save(l->state_dir, &s, err) < 0)
        return -1;
    // Last: whoever waits for this file may ask for the state at once.
    char pid[16];
    snprintf(pid, sizeof pid, "%d", l->pid);
    l->wrote_pid_file = o->pid_file != NULL;
    return o->pid_file ? fs_replace(AT_FDCWD, o->pid_file, pid, 0644, err) : 0;
}

static hook_subject hook_subject_of(const launch *l, pid_t pid) {
    return (hook_subject){l->options->id, l->options->bundle, pid, l->config->annotations};
}

// While the child waits with all its mounts made, before it leaves the host's root behind.
static int run_create_hooks(launch *l, bh_error *err) {
    const json_t *hooks = l->config->hooks;
    hook_subject subject = hook_subject_of(l, l->pid);
    if (!hooks_any(hooks, HOOK_PRESTART) && !hooks_any(hooks, HOOK_CREATE_RUNTIME))
        return 0;
    if (handshake_wait(l->handshake, HANDSHAKE_ROOTED, NULL, err) < 0 ||
        hooks_run(hooks, HOOK_PRESTART, &subject, NULL, err) < 0 ||
        hooks_run(hooks, HOOK_CREATE_RUNTIME, &subject, NULL, err) < 0)
        return -1;
    return handshake_send(l->handshake, HANDSHAKE_HOOKED, 0, err);
}

static int forward_listener(const launch *l, bh_error *err) {
    hook_subject subject = hook_subject_of(l, l->pid);
    return seccomp_forward(l->config->seccomp, &l->filter, l->handshake, l->pid, "creating", &subject, err);
}

static int run_steps(launch *l, bh_error *err) {
    const config *c = l->config;
    if (open_host_files(l, err) < 0 || launch_make_cgroup(l, err) < 0 || clone_init(l, err) < 0 ||
        map_ids(l, err) < 0 || set_process_limits(l, err) < 0 ||
        handshake_send(l->handshake, HANDSHAKE_MAPPED, 0, err) < 0 ||
        launch_save(l, err) < 0 || // while the child works
        run_create_hooks(l, err) < 0 || forward_listener(l, err) < 0 ||
        handshake_wait(l->handshake, HANDSHAKE_READY, NULL, err) < 0 ||
        label_verify_waiting(&c->process, l->proc, l->pid, err) < 0 ||
        // Only now that it is in its cgroup: v1 lets no real-time process move there (RT_GROUP_SCHED).
        scheduling_apply(&c->process.scheduling, l->pid, err) < 0)
        return -1;
    if (l->options->wait_for_start)
        return 0;
    if (handshake_send(l->handshake, HANDSHAKE_GO, 0, err) < 0)
        return -1;
    if (handshake_wait(l->handshake, HANDSHAKE_EXECED, NULL, err) < 0 ||
        label_verify_running(&c->process, l->proc, l->pid, err) < 0)
        return -1;
    hook_subject subject = hook_subject_of(l, l->pid);
    hooks_run_all(c->hooks, HOOK_POSTSTART, &subject);
    return 0;
}

// A launch that failed half-way leaves nothing: process, cgroup, folder.
void launch_undo(launch *l) {
    // The process first: its mounts and namespaces go with it, and a group in which there is a process cannot be
    // removed.
    bh_error ignored;
    if (l->pid > 0) {
        kill(l->pid, SIGKILL);
        waitpid(l->pid, NULL, 0);
    }
    // By its group as well: of one made by a process between, nothing is known if that could not say so.
    if (l->owns_cgroup && cgroup_kill_all(l->config->cgroup_path, UNDO_TIMEOUT_MS, &ignored) == 0)
        cgroup_delete(l->config->cgroup_path, &ignored);
    state_remove_dir(l->options->root, l->options->id, &ignored);
    if (l->wrote_pid_file)
        unlink(l->options->pid_file);
    hook_subject subject = hook_subject_of(l, 0);
    // What earlier hooks made for a container that then came to nothing is theirs to take away again.
    if (l->pid > 0)
        hooks_run_all(l->config->hooks, HOOK_POSTSTOP, &subject);
}

void launch_release(launch *l) {
    const int fds[] = {l->state_dir,      l->proc,         l->root_source, l->layer,
                       l->console_socket, l->start_socket, l->cgroup,      l->handshake};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    for (size_t i = 0; l->mounts && i < l->config->mount_count; i++)
        if (l->mounts[i].bind >= 0)
            close(l->mounts[i].bind);
    free(l->mounts);
    seccomp_free(&l->filter);
}

launch launch_new(const launch_options *options, const config *c) {
    return (launch){.options = options,
                    .config = c,
                    .proc = -1,
                    .root_source = -1,
                    .layer = -1,
                    .console_socket = -1,
                    .start_socket = -1,
                    .cgroup = -1,
                    .handshake = -1};
}

pid_t launch_container(const launch_options *options, const config *c, bh_error *err) {
    launch l = launch_new(options, c);
    // The id is claimed before anything is made, so that undo() never touches another container's things.
    if ((l.state_dir = state_make_dir(options->root, options->id, err)) < 0)
        return -1;
    // exec confines its processes as this document says, whatever becomes of the bundle.
    int result = fs_replace(l.state_dir, STATE_CONFIG, c->text, 0600, err);
    if (result == 0)
        result = run_steps(&l, err);
    trace_flush();
    if (result < 0)
        launch_undo(&l);
    launch_release(&l);
    return result < 0 ? -1 : l.pid;
}
