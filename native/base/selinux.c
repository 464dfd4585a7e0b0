// SELinux's files and attributes: see selinux.h.
#include "base/selinux.h"
#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#define SELINUXFS "/sys/fs/selinux"

selinux_mode selinux_current_mode(void) {
    struct statfs info;
    char enforcing[8], loaded[16];
    bh_error ignored;
    // The file system's magic: an empty directory of that name is what most kernels have.
    if (statfs(SELINUXFS, &info) < 0 || (uint32_t)info.f_type != SELINUX_MAGIC ||
        fs_read(AT_FDCWD, SELINUXFS "/enforce", enforcing, sizeof enforcing, &ignored) < 0)
        return SELINUX_OFF;
    // Before a policy is loaded every label is "kernel".
    if (fs_read(AT_FDCWD, "/proc/self/attr/current", loaded, sizeof loaded, &ignored) > 0 &&
        strcmp(loaded, "kernel") == 0)
        return SELINUX_OFF;
    return enforcing[0] == '1' ? SELINUX_ENFORCING : SELINUX_PERMISSIVE;
}

const char *selinux_mode_name(selinux_mode mode) {
    static const char *const names[] = {"off", "permissive", "enforcing"};
    return names[mode];
}

bool selinux_knows(const char *label) {
    bh_error ignored;
    return fs_write(AT_FDCWD, SELINUXFS "/context", label, &ignored) == 0;
}

int selinux_write_attribute(int proc_fd, const char *attribute, const char *label, bh_error *err) {
    char path[64];
    // Not "self": these are a thread's own, and "self" is the process's first thread.
    snprintf(path, sizeof path, "thread-self/attr/%s", attribute);
    cleanup_fd int fd = openat(proc_fd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, label ? label : "\n", label ? strlen(label) + 1 : 1) < 0)
        return bh_fail(err, errno, "cannot set the SELinux label \"%s\" (attr/%s; does the policy allow it?)",
                       label ? label : "", attribute);
    return 0;
}

int selinux_read_attribute(int proc_fd, pid_t pid, const char *attribute, char label[SELINUX_LABEL_MAX],
                           bh_error *err) {
    char path[64];
    snprintf(path, sizeof path, "%d/attr/%s", pid, attribute);
    // Ends with a zero byte, which fs_read's own follows.
    if (fs_read(proc_fd, path, label, SELINUX_LABEL_MAX, err) < 0)
        return bh_wrap(err, "the SELinux label of pid %d", pid);
    return 0;
}

int selinux_label_file(int dir, const char *path, const char *label, bh_error *err) {
    // setxattr has no form that takes a directory's fd, and an O_PATH fd is none for fsetxattr; by /proc both are had.
    char by_fd[64];
    cleanup_fd int fd = openat(dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return bh_fail(err, errno, "cannot label %s", path);
    snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", fd);
    if (setxattr(by_fd, "security.selinux", label, strlen(label) + 1, 0) < 0)
        return bh_fail(err, errno, "cannot label %s %s", path, label);
    return 0;
}
