// cgroup v2: which controllers a group has. Each group passes on to those below it what its cgroup.subtree_control
// lists. https://docs.kernel.org/admin-guide/cgroup-v2.html#controlling-controllers
#include "base/cgroup_backend.h"
#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const char *const wanted_controllers[] = {"cpu", "cpuset", "memory", "pids", "io"};

bool cgroup2_has_word(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

// What cannot be enabled is missed later, where a limit needs it; a group that needs no limit must not fail for it
// here.
void cgroup2_enable_below(const char *directory) {
    char available[512], enabled[512], file[600], word[32];
    bh_error ignored;
    snprintf(file, sizeof file, "%s/cgroup.controllers", directory);
    if (fs_read(AT_FDCWD, file, available, sizeof available, &ignored) < 0)
        return;
    snprintf(file, sizeof file, "%s/cgroup.subtree_control", directory);
    if (fs_read(AT_FDCWD, file, enabled, sizeof enabled, &ignored) < 0)
        return;
    for (size_t i = 0; i < sizeof wanted_controllers / sizeof *wanted_controllers; i++) {
        if (!cgroup2_has_word(available, wanted_controllers[i]) || cgroup2_has_word(enabled, wanted_controllers[i]))
            continue;
        snprintf(word, sizeof word, "+%s", wanted_controllers[i]);
        fs_write(AT_FDCWD, file, word, &ignored);
    }
}

// What keeps `directory` from passing a controller on, as the kernel's answer to one more try tells.
static int explain_refusal(const char *directory, const char *controller, const bh_error *refusal, bh_error *err) {
    cleanup_free pid_t *pids = NULL;
    bh_error ignored;
    int count = cgroup_tree_pids(directory, &pids, &ignored);
    switch (refusal->code) {
    case EBUSY: // "no internal process" constraint
        return bh_fail(
            err, EBUSY,
            "cgroup %s cannot pass the %s controller on while it has processes itself (such as pid %d): move "
            "them into a group below it first",
            directory, controller, count > 0 ? pids[0] : 0);
    case EOPNOTSUPP:
        return bh_fail(err, EOPNOTSUPP,
                       "cgroup %s is threaded and has no %s controller: name a group outside of it in cgroupsPath",
                       directory, controller);
    default:
        return bh_fail(err, refusal->code,
                       "cgroup %s cannot pass the %s controller on (is it delegated to us? systemd: Delegate=yes)",
                       directory, controller);
    }
}

int cgroup2_explain_missing(const char *root, const char *path, const char *controller, bh_error *err) {
    char directory[512], file[600], words[512], enable[40];
    snprintf(directory, sizeof directory, "%s/%s", root, path);
    snprintf(enable, sizeof enable, "+%s", controller);
    // From the root down to the group's parent: the first that does not pass it on is to blame.
    for (char *slash = directory + strlen(root); slash; slash = strchr(slash + 1, '/')) {
        bh_error refusal = {0};
        *slash = '\0';
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
        if (!cgroup2_has_word(words, controller) && fs_write(AT_FDCWD, file, enable, &refusal) < 0)
            return explain_refusal(directory, controller, &refusal, err);
        *slash = '/';
    }
    return bh_fail(err, EAGAIN, "cgroup %s had no %s controller when it was needed", directory, controller);
}
