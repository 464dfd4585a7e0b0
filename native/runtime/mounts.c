// config.json's `mounts`: see mounts.h.
#include "runtime/mounts.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/copy_up.h"
#include "runtime/mount_cgroup1.h"
#include "runtime/namespaces.h"
#include "runtime/selinux_label.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int set_attributes(int mount, const mount_options *o, bool bind, const char *what, bh_error *err) {
    // A new file system got its attributes from fsmount; a copy of a mount has those of the original.
    struct mount_attr own = {.attr_set = bind ? o->set : 0, .attr_clr = bind ? o->clear : 0};
    own.propagation = o->propagation & ~(unsigned long)MS_REC;
    struct mount_attr below = {.attr_set = o->recursive_set, .attr_clr = o->recursive_clear};
    below.propagation = o->propagation & MS_REC ? own.propagation : 0;
    if ((own.attr_set || own.attr_clr || own.propagation) &&
        mount_setattr(mount, "", AT_EMPTY_PATH, &own, sizeof own) < 0)
        return bh_fail(err, errno, "cannot set the options of %s", what);
    if ((below.attr_set || below.attr_clr || below.propagation) &&
        mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &below, sizeof below) < 0)
        return bh_fail(err, errno, "cannot set the options of %s", what);
    return 0;
}

static int open_bind_source(mount_plan *plan, bh_error *err) {
    const mount_config *m = plan->config;
    struct stat info;
    if (!m->source || !*m->source)
        return bh_fail(err, 0, "%s.source is missing", m->path);
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (plan->options.recursive ? (unsigned)AT_RECURSIVE : 0);
    plan->bind = open_tree(AT_FDCWD, m->source, flags);
    if (plan->bind < 0 || fstat(plan->bind, &info) < 0)
        return bh_fail(err, errno, "%s: cannot open the source %s", m->path, m->source);
    plan->is_directory = S_ISDIR(info.st_mode);
    // The copy of a shared mount is its peer: what is mounted on it in the container would appear on the host.
    if (plan->options.propagation == 0)
        plan->options.propagation = MS_PRIVATE | MS_REC;
    return set_attributes(plan->bind, &plan->options, true, m->source, err);
}

int mounts_prepare(const config *c, mount_plan **plans, bh_error *err) {
    *plans = calloc(c->mount_count + 1, sizeof **plans);
    if (!*plans)
        return bh_fail(err, ENOMEM, "cannot prepare the mounts");
    for (size_t i = 0; i < c->mount_count; i++) {
        mount_plan *plan = &(*plans)[i];
        *plan = (mount_plan){.config = &c->mounts[i], .bind = -1, .mounted = -1, .is_directory = true};
        const char *type = plan->config->type;
        if (mount_options_parse(plan->config->options, plan->config->path, &plan->options, err) < 0)
            return -1;
        plan->options.bind |= strcmp(type, "bind") == 0;
        if (plan->options.copy_up && (plan->options.bind || strcmp(type, "tmpfs") != 0))
            return bh_fail(err, 0, "%s.options: tmpcopyup needs a tmpfs", plan->config->path);
        plan->options.idmap |= plan->config->maps != NULL;
        if (plan->options.idmap && (!plan->options.bind || !(plan->config->maps || c->namespaces & CLONE_NEWUSER)))
            return bh_fail(err, 0, "%s: idmap needs a bind mount, and uidMappings or a user namespace",
                           plan->config->path);
        if ((plan->options.bind || plan->options.remount) && plan->options.data[0])
            return bh_fail(err, 0, "%s.options: %s is an option of a file system, and %s makes none",
                           plan->config->path, plan->options.data[0], plan->options.remount ? "remount" : "a bind");
        if (plan->options.bind && !plan->options.remount && open_bind_source(plan, err) < 0)
            return -1;
        if (label_mount_options(c, plan->config, &plan->options, err) < 0)
            return -1;
    }
    return 0;
}

// Through the maps of the mount's own, or of the container's user namespace.
static int map_ids(const mount_plan *plan, int proc_fd, pid_t container, bh_error *err) {
    const mount_config *m = plan->config;
    pid_t holder = m->maps ? namespaces_hold_id_maps(m->maps, proc_fd, err) : container;
    if (holder < 0)
        return -1;
    int result = mount_map_ids(plan->bind, plan->options.recursive_ids, proc_fd, holder, m->source, err);
    if (m->maps) {
        kill(holder, SIGKILL);
        waitpid(holder, NULL, 0);
    }
    return result;
}

int mounts_map_ids(const config *c, const mount_plan *plans, int proc_fd, pid_t pid, bh_error *err) {
    for (size_t i = 0; i < c->mount_count; i++)
        if (plans[i].options.idmap && map_ids(&plans[i], proc_fd, pid, err) < 0)
            return bh_wrap(err, "%s", plans[i].config->path);
    return 0;
}

static int make_new(const mount_plan *plan, int target, bh_error *err) {
    const mount_config *m = plan->config;
    const mount_options *o = &plan->options;
    const char *type = strcmp(m->type, "cgroup") == 0 ? "cgroup2" : m->type;
    if (!o->copy_up)
        return mount_new(type, m->source, o->data, o->set, err);
    // Writable until it is filled, and filled before it covers what it is filled from.
    cleanup_fd int mount = mount_new(type, m->source, o->data, o->set & ~(uint64_t)MOUNT_ATTR_RDONLY, err);
    // Both fds are of the O_PATH kind, which can be opened and nothing else.
    cleanup_fd int from = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int to = mount < 0 ? -1 : openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct mount_attr attr = {.attr_set = o->set & MOUNT_ATTR_RDONLY};
    if (mount < 0)
        return -1;
    if (from < 0 || to < 0)
        return bh_fail(err, errno, "cannot read %s", m->destination);
    if (copy_up(from, to, err) < 0)
        return bh_wrap(err, "tmpcopyup");
    if (attr.attr_set && mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot make %s read-only", m->destination);
    return take_fd(&mount);
}

// What is left of `path` behind `prefix`, both of them absolute; NULL where it is no path below it.
static const char *path_below(const char *path, const char *prefix) {
    size_t length = strlen(prefix);
    while (length > 0 && prefix[length - 1] == '/')
        length--;
    if (strncmp(path, prefix, length) != 0 || (path[length] && path[length] != '/'))
        return NULL;
    path += length;
    return path + strspn(path, "/");
}

// By the mount that was made, and not by its name again: whoever can rename things in the root (a volume that another
// container has too) could have put something else there since, and what was to be hidden would stay in sight under
// another name (CVE-2019-19921).
int mounts_open(const config *c, const mount_plan *plans, int root, const char *path, bh_error *err) {
    for (size_t i = c->mount_count; i > 0; i--) {
        const mount_plan *plan = &plans[i - 1];
        const char *rest = plan->mounted < 0 ? NULL : path_below(path, plan->config->destination);
        if (rest && *rest)
            return fs_open_in_root(plan->mounted, rest, O_PATH, err);
        if (rest) // a file may be a mount's root as well
            return fcntl(plan->mounted, F_DUPFD_CLOEXEC, 3);
    }
    return fs_open_in_root(root, path, O_PATH, err);
}

// Other attributes for a mount that an earlier entry made.
static int remount(const config *c, const mount_plan *plans, const mount_plan *plan, int root, bh_error *err) {
    const char *path = plan->config->destination;
    cleanup_fd int mount = mounts_open(c, plans, root, path, err);
    if (mount < 0 || set_attributes(mount, &plan->options, true, path, err) < 0)
        return bh_wrap(err, "%s: remount (only a mount that is in the container can be)", plan->config->path);
    return 0;
}

static int make_one(const config *c, mount_plan *plans, mount_plan *plan, int root, bh_error *err) {
    const mount_config *m = plan->config;
    uint64_t start = trace_now();
    if (plan->options.remount)
        return remount(c, plans, plan, root, err);
    cleanup_fd int target = plan->is_directory ? fs_make_dirs_in_root(root, m->destination, 0755, err)
                                               : fs_make_file_in_root(root, m->destination, err);
    if (target < 0)
        return bh_wrap(err, "%s", m->path);
    bool bind = plan->bind >= 0;
    if (!bind && strcmp(m->type, "cgroup") == 0 && cgroup_version() == 1) {
        if (mount_cgroup1(c, m, &plan->options, target, err) < 0)
            return bh_wrap(err, "%s", m->path);
        trace_step("mount", start, "cgroup on %s, its own group in each v1 hierarchy", m->destination);
        return 0;
    }
    cleanup_fd int mount = bind ? take_fd(&plan->bind) : make_new(plan, target, err);
    if (mount < 0)
        return bh_wrap(err, "%s (%s)", m->path, m->destination);
    // Before it is attached: nobody shall reach it without its attributes and its label.
    if (!bind &&
        (set_attributes(mount, &plan->options, false, m->destination, err) < 0 || label_mount(c, m, mount, err) < 0))
        return bh_wrap(err, "%s", m->path);
    if (mount_attach(mount, target, m->destination, err) < 0)
        return bh_wrap(err, "%s", m->path);
    plan->mounted = take_fd(&mount);
    trace_step("mount", start, "%s on %s", bind ? m->source : m->type, m->destination);
    return 0;
}

int mounts_make(const config *c, mount_plan *plans, int root, bh_error *err) {
    for (size_t i = 0; i < c->mount_count; i++)
        if (make_one(c, plans, &plans[i], root, err) < 0)
            return -1;
    return 0;
}
