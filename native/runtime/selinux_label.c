// SELinux labels of a container: see selinux_label.h.
#include "runtime/selinux_label.h"
#include "base/cleanup.h"
#include "base/selinux.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/xattr.h>

static int check(const char *label, const char *field, bh_error *err) {
    if (!label)
        return 0;
    // Ignored, it would be a wall that the caller counts on and that is not there.
    if (selinux_current_mode() == SELINUX_OFF)
        return bh_fail(err, 0, "%s is \"%s\", but this host has no SELinux, or none with a policy; leave it out", field,
                       label);
    if (strlen(label) >= SELINUX_LABEL_MAX || !selinux_knows(label))
        return bh_fail(err, 0, "%s \"%.255s\" is not a label of this host's SELinux policy", field, label);
    return 0;
}

int label_check(const config *c, const process_config *p, bh_error *err) {
    return check(p->selinux_label, "process.selinuxLabel", err) < 0 ||
                   check(c->mount_label, "linux.mountLabel", err) < 0
               ? -1
               : 0;
}

int label_keyring(const process_config *p, int proc_fd, bh_error *err) {
    if (!p->selinux_label)
        return 0;
    // Or the keyring would be the runtime's, which the container may not read. Exec takes this back by itself.
    return selinux_write_attribute(proc_fd, "keycreate", p->selinux_label, err);
}

int label_program(const process_config *p, int proc_fd, bh_error *err) {
    uint64_t start = trace_now();
    if (!p->selinux_label)
        return 0;
    // From here on execve changes to this label or fails (selinux_bprm_creds_for_exec); there is no third way.
    if (selinux_write_attribute(proc_fd, "exec", p->selinux_label, err) < 0)
        return bh_wrap(err, "process.selinuxLabel");
    trace_step("SELinux label", start, "%s, of the next program", p->selinux_label);
    return 0;
}

static int verify(const process_config *p, int proc_fd, pid_t pid, const char *attribute, bh_error *err) {
    char found[SELINUX_LABEL_MAX];
    if (!p->selinux_label)
        return 0;
    if (selinux_read_attribute(proc_fd, pid, attribute, found, err) < 0)
        return bh_wrap(err, "process.selinuxLabel");
    if (strcmp(found, p->selinux_label) != 0)
        return bh_fail(err, 0, "process.selinuxLabel is %s, but the kernel has \"%s\" for attr/%s of pid %d",
                       p->selinux_label, found, attribute, pid);
    return 0;
}

int label_verify_waiting(const process_config *p, int proc_fd, pid_t pid, bh_error *err) {
    uint64_t start = trace_now();
    if (verify(p, proc_fd, pid, "exec", err) < 0)
        return -1;
    if (p->selinux_label)
        trace_step("label check", start, "read back from outside: %s", p->selinux_label);
    return 0;
}

int label_verify_running(const process_config *p, int proc_fd, pid_t pid, bh_error *err) {
    return verify(p, proc_fd, pid, "current", err);
}

// proc and sysfs have labels for each file by the policy alone; so do cgroups. A bind shows files that have theirs.
static bool takes_option(const char *type) {
    static const char *const without[] = {"proc", "sysfs", "cgroup", "cgroup2", "mqueue"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strcmp(type, without[i]) == 0)
            return false;
    return true;
}

int label_mount_options(const config *c, const mount_config *m, mount_options *options, bh_error *err) {
    size_t count = 0;
    if (!c->mount_context || options->bind || options->remount || !takes_option(m->type))
        return 0;
    for (; options->data[count]; count++)
        if (strncmp(options->data[count], "context=", strlen("context=")) == 0)
            return 0; // this mount's own
    if (count + 1 >= sizeof options->data / sizeof *options->data)
        return bh_fail(err, 0, "%s.options has too many entries", m->path);
    options->data[count] = c->mount_context;
    return 0;
}

int label_mount(const config *c, const mount_config *m, int mount, bh_error *err) {
    if (!c->mount_label || strcmp(m->type, "mqueue") != 0)
        return 0;
    // mqueue knows no mount options; its root is labelled as a file is. The fd is of the O_PATH kind, not good for
    // that.
    cleanup_fd int root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root >= 0 && fsetxattr(root, "security.selinux", c->mount_label, strlen(c->mount_label) + 1, 0) == 0)
        return 0;
    // That of a new user namespace is the host's root's, for it was made while the runtime cloned: it keeps the
    // policy's label. Its queues are their makers', with the makers' categories, as everywhere.
    if (root >= 0 && errno == EPERM && (c->namespaces & CLONE_NEWUSER))
        return 0;
    return bh_fail(err, errno, "linux.mountLabel: cannot label %s", m->destination);
}
