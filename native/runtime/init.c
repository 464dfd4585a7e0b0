// Making a container, its first process's half: from the moment of clone3 to exec. become_container is the whole act.
// The order is explained in docs/security.md; where it matters for a step, at that step.
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/apparmor.h"
#include "runtime/console.h"
#include "runtime/devices.h"
#include "runtime/handshake.h"
#include "runtime/hooks.h"
#include "runtime/launch.h"
#include "runtime/masks.h"
#include "runtime/namespaces.h"
#include "runtime/process.h"
#include "runtime/rootfs.h"
#include "runtime/selinux_label.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int join_cgroup(const launch *l, bh_error *err) {
    const config *c = l->config;
    uint64_t start = trace_now();
    // On v2 the child was born in its group. On v1 it goes there itself, while it is still the host's root by id.
    if (c->cgroup_path && l->cgroup < 0 && !l->joined_cgroup) {
        if (cgroup_join_self(c->cgroup_path, err) < 0)
            return -1;
        trace_step("join cgroup", start, "%s, by writing 0 to tasks", c->cgroup_path);
    }
    // After joining: the group it is in becomes the root of what it sees (cgroup_namespaces(7)).
    if ((namespaces_to_make(c) & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
        return bh_fail(err, errno, "cannot make a cgroup namespace");
    return 0;
}

static int set_names(const config *c, bh_error *err) {
    uint64_t start = trace_now();
    if (c->hostname && sethostname(c->hostname, strlen(c->hostname)) < 0)
        return bh_fail(err, errno, "cannot set hostname");
    if (c->domainname && setdomainname(c->domainname, strlen(c->domainname)) < 0)
        return bh_fail(err, errno, "cannot set domainname");
    if ((namespaces_to_make(c) & CLONE_NEWNET) && namespaces_raise_loopback(err) < 0)
        return -1;
    trace_step("host name", start, "%s%s", c->hostname ? c->hostname : "the host's",
               namespaces_to_make(c) & CLONE_NEWNET ? ", loopback up" : "");
    return 0;
}

// Through the pinned procfs, before /proc/sys is read-only.
static int set_sysctls(const launch *l, bh_error *err) {
    for (size_t i = 0; i < l->config->sysctl_count; i++) {
        char path[256];
        snprintf(path, sizeof path, "sys/%s", l->config->sysctls[i].name);
        for (char *dot = strchr(path, '.'); dot; dot = strchr(dot, '.'))
            *dot = '/';
        if (fs_write_below(l->proc, path, l->config->sysctls[i].value, err) < 0)
            return bh_wrap(err, "linux.sysctl.%s", l->config->sysctls[i].name);
    }
    return 0;
}

static int make_console(const launch *l, int root, bh_error *err) {
    if (l->console_socket < 0)
        return 0;
    cleanup_fd int slave = console_open(&l->config->process, root, l->console_socket, err);
    if (slave < 0 || console_bind(slave, root, err) < 0)
        return -1;
    return console_take(slave, err);
}

// The runtime's hooks, then those that run here: programs of the host, for "/" is still the host's, in the container's
// namespaces and with no more privilege than its root has.
static int run_create_hooks(launch *l, bh_error *err) {
    const json_t *hooks = l->config->hooks;
    hook_subject subject = {l->options->id, l->options->bundle, getpid(), l->config->annotations};
    if ((hooks_any(hooks, HOOK_PRESTART) || hooks_any(hooks, HOOK_CREATE_RUNTIME)) &&
        (handshake_send(l->handshake, HANDSHAKE_ROOTED, 0, err) < 0 ||
         handshake_wait(l->handshake, HANDSHAKE_HOOKED, NULL, err) < 0))
        return -1;
    return hooks_run(hooks, HOOK_CREATE_CONTAINER, &subject, NULL, err);
}

static int make_root(launch *l, bh_error *err) {
    const config *c = l->config;
    cleanup_fd int stage = -1;
    cleanup_fd int root = rootfs_make(c, l->root_source, l->layer, &stage, err);
    if (root < 0 || mounts_make(c, l->mounts, root, err) < 0 || devices_make(c, root, err) < 0 ||
        make_console(l, root, err) < 0 || set_sysctls(l, err) < 0 || masks_make(c, l->mounts, root, err) < 0 ||
        run_create_hooks(l, err) < 0)
        return -1;
    return rootfs_enter(c, root, stage, err);
}

// run: the runtime says so at once. create: whoever connects to the start socket does, and hears of a failure.
static int wait_for_go(launch *l, bh_error *err) {
    if (handshake_send(l->handshake, HANDSHAKE_READY, 0, err) < 0)
        return -1;
    if (l->start_socket >= 0) {
        trace_flush(); // `start` may come in an hour
        int caller;
        do
            caller = accept4(l->start_socket, NULL, NULL, SOCK_CLOEXEC);
        while (caller < 0 && (errno == EINTR || errno == ECONNABORTED));
        if (caller < 0)
            return bh_fail(err, errno, "cannot hear `start`");
        close(l->handshake);
        l->handshake = caller;
    }
    return handshake_wait(l->handshake, HANDSHAKE_GO, NULL, err);
}

static int become_container(launch *l, bh_error *err) {
    const config *c = l->config;
    const process_config *p = &c->process;
    bool setgroups_allowed = !(c->namespaces & CLONE_NEWUSER) || c->setgroups;
    const int kept[] = {l->handshake, l->start_socket};
    char program[PATH_MAX];
    if (join_cgroup(l, err) < 0 || handshake_wait(l->handshake, HANDSHAKE_MAPPED, NULL, err) < 0 ||
        process_become_root(c, err) < 0 || label_keyring(p, l->proc, err) < 0 ||
        process_start_session(l->options->keep_keyring, err) < 0 || set_names(c, err) < 0 || make_root(l, err) < 0 ||
        process_enter_cwd(p, err) < 0 || label_program(p, l->proc, err) < 0 ||
        apparmor_enter_on_exec(p->apparmor_profile, l->proc, err) < 0 ||
        process_drop_privileges(p, setgroups_allowed, &l->filter, l->handshake, err) < 0 ||
        process_let_go_of_host(l->options->preserve_fds, kept, sizeof kept / sizeof *kept, err) < 0 ||
        process_find_program(p, program, sizeof program, err) < 0 || wait_for_go(l, err) < 0)
        return -1;
    // By now as the user and with the capabilities of the container's program. Its filter is loaded already unless
    // no_new_privs lets that be the very last step.
    hook_subject subject = {l->options->id, l->options->bundle, getpid(), c->annotations};
    if (hooks_run(c->hooks, HOOK_START_CONTAINER, &subject, p->no_new_privileges ? &l->filter : NULL, err) < 0)
        return -1;
    return process_exec(p, program, &l->filter, l->options->preserve_fds, err);
}

_Noreturn void init_become_container(launch *l) {
    bh_error err = {0};
    become_container(l, &err);
    trace_flush();
    handshake_send_error(l->handshake, &err);
    _exit(1);
}
