// cgroup v2: which controllers a group has. Each group passes on to those below it what its cgroup.subtree_control
// lists. https://docs.kernel.org/admin-guide/cgroup-v2.html#controlling-controllers
#include "base/cgroup_backend.h"
#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool cgroup2_has_word(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

// A process of the group itself, whatever is below; 0 if there is none, or if it is the root of the whole tree, which
// alone may have processes and pass controllers on.
static pid_t own_process(const char *directory) {
    char file[600], text[32] = "";
    snprintf(file, sizeof file, "%s/cgroup.type", directory);
    if (access(file, F_OK) < 0)
        return 0;
    snprintf(file, sizeof file, "%s/cgroup.procs", directory);
    cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC);
    int pid = 0;
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "%d", &pid) != 1)
        return 0;
    return pid > 0 ? pid : -1; // 0: one of another pid namespace
}

// What cannot be enabled is missed later, where a limit needs it; a group that needs no limit must not fail for it
// here.
void cgroup2_enable_below(const char *directory) {
    static const char *const wanted[] = {"memory", "io", "cpu", "cpuset", "pids"};
    enum { WANTED = sizeof wanted / sizeof *wanted };
    char available[512], enabled[512], file[600], words[WANTED][16], all[128] = "";
    bh_error ignored;
    int count = 0;
    snprintf(file, sizeof file, "%s/cgroup.controllers", directory);
    if (fs_read(AT_FDCWD, file, available, sizeof available, &ignored) < 0)
        return;
    snprintf(file, sizeof file, "%s/cgroup.subtree_control", directory);
    if (fs_read(AT_FDCWD, file, enabled, sizeof enabled, &ignored) < 0)
        return;
    for (size_t i = 0; i < WANTED; i++) {
        if (!cgroup2_has_word(available, wanted[i]) || cgroup2_has_word(enabled, wanted[i]))
            continue;
        snprintf(words[count], sizeof *words, "+%s", wanted[i]);
        strcat(strcat(all, count ? " " : ""), words[count]);
        count++;
    }
    // In a group with processes the kernel would enable cpu, cpuset and pids, and make it a domain of threads by that:
    // no group below could then hold a process, not even once the processes have moved there.
    if (count == 0 || own_process(directory) || fs_write(AT_FDCWD, file, all, &ignored) == 0)
        return;
    for (int i = 0; i < count; i++)
        fs_write(AT_FDCWD, file, words[i], &ignored);
}

int cgroup2_pass_on(const char *root, const char *path, const char *controller, bh_error *err) {
    char directory[512], file[600], words[512], enable[40];
    snprintf(directory, sizeof directory, "%s/%s", root, path);
    snprintf(enable, sizeof enable, "+%s", controller);
    // From the root down to the group's parent: the first that cannot pass it on is to blame.
    for (char *slash = directory + strlen(root); slash; slash = strchr(slash + 1, '/')) {
        bh_error refusal = {0};
        *slash = '\0';
        snprintf(file, sizeof file, "%s/cgroup.type", directory);
        if (fs_read(AT_FDCWD, file, words, sizeof words, &refusal) >= 0 && strcmp(words, "threaded") == 0)
            return bh_fail(err, EOPNOTSUPP,
                           "cgroup %s is threaded and has no %s controller: name a group outside of it", directory,
                           controller);
        snprintf(file, sizeof file, "%s/cgroup.controllers", directory);
        if (fs_read(AT_FDCWD, file, words, sizeof words, err) < 0)
            return -1;
        if (!cgroup2_has_word(words, controller))
            return bh_fail(err, ENOENT,
                           "cgroup v2 at %s has no %s controller (mounted as v1, held back by the group above, or "
                           "off on the kernel's command line? see /proc/cgroups)",
                           directory, controller);
        snprintf(file, sizeof file, "%s/cgroup.subtree_control", directory);
        if (fs_read(AT_FDCWD, file, words, sizeof words, err) < 0)
            return -1;
        pid_t pid = cgroup2_has_word(words, controller) ? 0 : own_process(directory);
        if (pid) // the "no internal process" constraint
            return bh_fail(err, EBUSY,
                           "cgroup %s cannot pass the %s controller on while it has processes itself (such as pid %d): "
                           "move them into a group below it first",
                           directory, controller, pid);
        if (!cgroup2_has_word(words, controller) && fs_write(AT_FDCWD, file, enable, &refusal) < 0)
            return bh_fail(err, refusal.code,
                           "cgroup %s cannot pass the %s controller on (is it delegated to us? systemd: Delegate=yes)",
                           directory, controller);
        *slash = '/';
    }
    return 0;
}
