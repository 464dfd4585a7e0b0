// Confining and starting a process: see process.h.
#include "runtime/process.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/arguments.h"
#include "runtime/capabilities.h"
#include "runtime/descriptors.h"
#include "runtime/namespaces.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int process_set_limits(const process_config *p, int proc_fd, pid_t pid, bh_error *err) {
    char path[64], value[16];
    for (size_t i = 0; i < p->rlimit_count; i++)
        if (prlimit(pid, (enum __rlimit_resource)p->rlimits[i].resource, &p->rlimits[i].limit, NULL) < 0)
            return bh_fail(err, errno, "cannot set process.rlimits[%zu] (more than this process may itself?)", i);
    if (!p->has_oom_score)
        return 0;
    snprintf(path, sizeof path, "%d/oom_score_adj", pid);
    snprintf(value, sizeof value, "%d", p->oom_score);
    return fs_write_below(proc_fd, path, value, err) < 0 ? bh_wrap(err, "process.oomScoreAdj") : 0;
}

// Changing ids or entering a user namespace sets this anew, to fs.suid_dumpable (prctl(2), PR_SET_DUMPABLE). Where an
// operator has set that to 1, to debug something, a container's root could trace what comes in, with all that it holds.
static int forbid_tracing(bh_error *err) {
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? bh_fail(err, errno, "cannot forbid tracing") : 0;
}

int process_become_root(const config *c, bh_error *err) {
    bool own_ids = c->namespaces & CLONE_NEWUSER;
    // The host's supplementary groups would go on counting for the container's processes. Where setgroups is denied
    // the runtime has dropped them before clone3.
    if ((!own_ids || c->setgroups) && setgroups(0, NULL) < 0)
        return bh_fail(err, errno, "cannot drop the supplementary groups");
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot become root of the user namespace (is container id 0 mapped?)");
    if (c->personality >= 0 && personality((unsigned long)c->personality) < 0)
        return bh_fail(err, errno, "cannot set linux.personality");
    return forbid_tracing(err);
}

int process_start_session(bool keep_keyring, bh_error *err) {
    // The caller's terminal, where that is our standard input, is not this session's: nothing can be typed into it from
    // here (TIOCSTI, CVE-2017-5226).
    if (setsid() < 0)
        return bh_fail(err, errno, "cannot start a session");
    // Keys of the caller's session keyring are not for the container. A kernel without keyrings has none to leak.
    if (!keep_keyring && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
        return bh_fail(err, errno, "cannot make a session keyring");
    return 0;
}

int process_let_go_of_host(int preserved, const int *kept, size_t count, bh_error *err) {
    int all[8];
    for (size_t i = 0; i < count; i++)
        all[i] = kept[i];
    all[count] = trace_fd;
    arguments_hide();
    // Really closed, for what is only marked so is still there while execve looks for its program: an image whose
    // program is a link to /proc/self/fd/N/../bin/sh, with N a folder of the host's, ran the host's (CVE-2024-21626).
    return descriptors_close_others(preserved, all, count + 1, err);
}

int process_enter_cwd(const process_config *p, bh_error *err) {
    char path[PATH_MAX];
    if (chdir(p->cwd) < 0) {
        if (errno != ENOENT) // not a folder, or closed to the container's root: "/" instead would not be what was asked
            return bh_fail(err, errno, "cannot go to process.cwd %s", p->cwd);
        cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        cleanup_fd int made = fs_make_dirs_in_root(root, p->cwd, 0755, err);
        if (made < 0)
            return bh_wrap(err, "process.cwd");
        if (chdir(p->cwd) < 0)
            return bh_fail(err, errno, "cannot go to process.cwd %s", p->cwd);
    }
    // The raw call: where the folder is not below "/", the kernel says "(unreachable)…", which glibc hides. A cwd of
    // /proc/self/fd/N was a way out to the host's files (CVE-2024-21626).
    if (syscall(SYS_getcwd, path, sizeof path) < 0 || path[0] != '/')
        return bh_fail(err, 0, "process.cwd %s is outside the container's root", p->cwd);
    return 0;
}

static const char *search_path(const process_config *p) {
    for (const char **entry = p->env; entry && *entry; entry++)
        if (strncmp(*entry, "PATH=", 5) == 0)
            return *entry + 5;
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

int process_find_program(const process_config *p, char *path, size_t size, bh_error *err) {
    const char *name = p->args[0];
    int code = ENOENT;
    if (strchr(name, '/')) {
        snprintf(path, size, "%s", name);
        return access(path, X_OK) == 0 ? 0 : bh_fail(err, errno, "cannot run process.args[0] \"%s\"", name);
    }
    for (const char *at = search_path(p); *at; at += *at == ':') {
        size_t length = strcspn(at, ":");
        struct stat info;
        snprintf(path, size, "%.*s/%s", (int)length, at, name);
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            if (access(path, X_OK) == 0)
                return 0;
            code = errno;
        }
        at += length;
    }
    return bh_fail(err, code, "cannot run process.args[0] \"%s\" (looked in %s)", name, search_path(p));
}

int process_drop_privileges(const process_config *p, bool setgroups_allowed, seccomp_program *filter, int handshake,
                            bh_error *err) {
    uint64_t start = trace_now();
    // Also for what the program's own start makes; a caller's umask is none of its business.
    umask(p->umask);
    // Without no_new_privs a filter may be loaded only by who has CAP_SYS_ADMIN, so before that is dropped.
    if (!p->no_new_privileges && (seccomp_listen(filter, handshake, err) < 0 || seccomp_apply(filter, err) < 0))
        return -1;
    // While there is CAP_SETPCAP, which this takes; what is not in the bounding set no later exec can give.
    if (capabilities_bound(&p->capabilities, err) < 0)
        return -1;
    // Changing from uid 0 would clear the permitted set that capabilities_apply draws on (capabilities(7)).
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot keep capabilities over the change of user");
    if (!setgroups_allowed && p->group_count > 0)
        return bh_fail(err, EPERM,
                       "cannot set additional groups: setgroups(2) is denied in this container, whose own process "
                       "has neither additionalGids nor CAP_SETGID");
    if (setgroups_allowed && setgroups(p->group_count, p->groups) < 0)
        return bh_fail(err, errno, "cannot set process.user.additionalGids");
    if (setresgid(p->gid, p->gid, p->gid) < 0)
        return bh_fail(err, errno, "cannot set process.user.gid %u (is it mapped?)", p->gid);
    if (setresuid(p->uid, p->uid, p->uid) < 0)
        return bh_fail(err, errno, "cannot set process.user.uid %u (is it mapped?)", p->uid);
    if (capabilities_apply(&p->capabilities, err) < 0 || forbid_tracing(err) < 0)
        return -1;
    if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot set no_new_privs");
    if (p->no_new_privileges && seccomp_listen(filter, handshake, err) < 0)
        return -1;
    trace_step("privileges", start, "uid %u, gid %u, bounding set %#llx, permitted %#llx, no_new_privs %d", p->uid,
               p->gid, (unsigned long long)p->capabilities.bounding, (unsigned long long)p->capabilities.permitted,
               p->no_new_privileges);
    return 0;
}

static void reset_signals(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int process_exec(const process_config *p, const char *path, const seccomp_program *filter, int keep_fds,
                 bh_error *err) {
    static const char *no_environment[] = {NULL};
    uint64_t start = trace_now();
    // What is left of the runtime's: the handshake, whose end tells that the exec has happened, and the trace.
    if (descriptors_leave_open(keep_fds, err) < 0)
        return -1;
    reset_signals();
    trace_step("exec", start, "%s, %d seccomp instructions loaded last", path,
               filter->lengths[SECCOMP_REFUSALS] + filter->lengths[SECCOMP_MAIN]);
    trace_flush();
    // Last, so that the profile need not allow what only the runtime does.
    if (p->no_new_privileges && seccomp_apply(filter, err) < 0)
        return -1;
    execve(path, (char *const *)p->args, (char *const *)(p->env ? p->env : no_environment));
    int code = errno;
    if (p->selinux_label && (code == EACCES || code == EPERM))
        return bh_fail(err, code, "cannot run %s as %s (does the policy let this label begin with that file?)", path,
                       p->selinux_label);
    return bh_fail(err, code, "cannot run %s", path);
}
