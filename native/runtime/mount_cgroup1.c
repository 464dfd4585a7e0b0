// Cgroup v1 inside a container: see mount_cgroup1.h.
#include "runtime/mount_cgroup1.h"
#include "base/cgroup.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

// A bind and not a new mount of the hierarchy: whatever cgroup namespace the container is in, it cannot see out of it.
static int show_hierarchy(const char *group, const char *name, int folder, bh_error *err) {
    // v1 has no safe delegation (a group's owner sets its limits, and release_agent: CVE-2022-0492), so read-only
    // whatever the options say.
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                              .propagation = MS_PRIVATE};
    cleanup_fd int bind = open_tree(AT_FDCWD, group, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (bind < 0 || mount_setattr(bind, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot show cgroup %s", group);
    if (mkdirat(folder, name, 0755) < 0)
        return bh_fail(err, errno, "cannot make a folder for cgroup %s", name);
    cleanup_fd int place = openat(folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return place < 0 ? bh_fail(err, errno, "cannot open %s", name) : mount_attach(bind, place, group, err);
}

int mount_cgroup1(const config *c, const mount_config *m, const mount_options *options, int target, bh_error *err) {
    const char *data[] = {"mode=0755", "size=4k", c->mount_context, NULL};
    char groups[CGROUP_DIRECTORIES_MAX][CGROUP_DIRECTORY_SIZE];
    if (!c->cgroup_path)
        return bh_fail(err, 0, "%s.type: cgroup needs linux.cgroupsPath on a host with cgroup v1", m->path);
    int count = cgroup_directories(c->cgroup_path, groups, err);
    cleanup_fd int folder = count < 0 ? -1 : mount_new("tmpfs", "cgroup", data, options->set, err);
    if (folder < 0)
        return -1;
    // Writable until its folders are there.
    struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY}, readonly = {.attr_set = MOUNT_ATTR_RDONLY};
    if (mount_setattr(folder, "", AT_EMPTY_PATH, &writable, sizeof writable) < 0)
        return bh_fail(err, errno, "cannot prepare %s", m->destination);
    if (mount_attach(folder, target, m->destination, err) < 0)
        return -1;
    for (int i = 0; i < count; i++) {
        // "/sys/fs/cgroup/cpu,cpuacct/bulkhead/ab12": the hierarchy's name is what its mount point is called.
        char *name = strndup(groups[i], strlen(groups[i]) - strlen(c->cgroup_path));
        size_t length = name ? strlen(name) : 0;
        while (length > 0 && name[length - 1] == '/')
            name[--length] = '\0';
        int shown = name ? show_hierarchy(groups[i], strrchr(name, '/') + 1, folder, err)
                         : bh_fail(err, ENOMEM, "cannot show cgroup %s", groups[i]);
        free(name);
        if (shown < 0)
            return -1;
    }
    if (mount_setattr(folder, "", AT_EMPTY_PATH, &readonly, sizeof readonly) < 0)
        return bh_fail(err, errno, "cannot make %s read-only", m->destination);
    return 0;
}
