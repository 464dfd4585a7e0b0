// Control groups: which version, which controllers, and whether a group can be made.
#include "probe/cgroups.h"

#include "base/cgroup.h"
#include "probe/probe.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *v1, *v2; // by version; NULL: that version does it without a controller
    bool needed;
    const char *means;
} controllers[] = {
    {"memory", "memory", true, "A machine cannot take the host's memory."},
    {"pids", "pids", true, "A fork bomb stays in its machine."},
    {"cpu", "cpu", true, "A busy machine leaves the others their share."},
    {"cpuset", "cpuset", false, "Machines can be kept to some processors (OCI cpus, mems)."},
    {"blkio", "io", false, "Disk bandwidth can be shared out (OCI blockIO)."},
    {"devices", NULL, false, "A container can be kept from devices even where it may make nodes."},
    {"freezer", NULL, false, "Containers can be paused."},
};

static bool is_listed(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

int cgroups_missing(char *missing, size_t size, bh_error *err) {
    char names[256] = "";
    missing[0] = '\0';
    if (cgroup_controllers(names, sizeof names, err) < 0)
        return bh_wrap(err, "cannot see control groups (is /sys/fs/cgroup mounted?)");
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++) {
        size_t length = strlen(missing);
        if (controllers[i].needed && !is_listed(names, controllers[i].v1))
            snprintf(missing + length, size - length, "%s%s", length ? ", " : "", controllers[i].v1);
    }
    return 0;
}

const char *cgroups_remedy(int version) {
    return version == 2 ? "enable them for this group (systemd: Delegate=yes) or boot with cgroup_enable=memory"
                        : "mount them under /sys/fs/cgroup";
}

static void find_controllers(json_t *report, int version) {
    char names[256] = "";
    bh_error err;
    cgroup_controllers(names, sizeof names, &err); // none, where there are no cgroups
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++) {
        const char *name = version == 2 ? controllers[i].v2 : controllers[i].v1;
        if (!name)
            continue;
        bool there = is_listed(names, name);
        char means[160], remedy[160];
        snprintf(means, sizeof means, "%s%s", there ? "" : "Without it this is not so: ", controllers[i].means);
        snprintf(remedy, sizeof remedy, "%s.", cgroups_remedy(version));
        remedy[0] = (char)(remedy[0] - 'a' + 'A');
        probe_state lacking = controllers[i].needed ? PROBE_MISSING : PROBE_WEAK;
        probe_add(report, &(probe_finding){
                              .group = "cgroups",
                              .name = name,
                              .state = there ? PROBE_GOOD : lacking,
                              .value = json_boolean(there),
                              .shown = there ? "yes" : "no",
                              .means = means,
                              .remedy = there ? NULL : remedy,
                          });
    }
}

// Made, joined by nobody, and removed: a read-only /sys/fs/cgroup or a foreign owner shows only so.
static void try_group(json_t *report) {
    char path[64], directories[CGROUP_DIRECTORIES_MAX][CGROUP_DIRECTORY_SIZE];
    // The pid in its name: two probes at once do not remove each other's.
    bh_error err = {0}, ignored;
    snprintf(path, sizeof path, "bulkhead-probe-%d", getpid());
    // Where nothing is mounted there is nothing to fail on.
    bool made = cgroup_directories(path, directories, &err) > 0
                    ? cgroup_create(path, &CGROUP_NO_LIMITS, &err) == 0
                    : bh_fail(&err, 0, "no control group file system is mounted") == 0;
    cgroup_delete(path, made ? &err : &ignored);
    probe_add(report, &(probe_finding){
                          .group = "cgroups",
                          .name = "group",
                          .state = made ? PROBE_GOOD : PROBE_MISSING,
                          .value = json_boolean(made),
                          .shown = made ? "one was made and removed again" : err.message,
                          .means = made ? "Containers can have limits." : "No container can be given its limits.",
                          .remedy = made ? NULL : "Mount /sys/fs/cgroup writable, as root of the host.",
                      });
}

void probe_cgroups(json_t *report) {
    int version = cgroup_version();
    probe_add(report,
              &(probe_finding){
                  .group = "cgroups",
                  .name = "version",
                  .state = PROBE_GOOD,
                  .value = json_integer(version),
                  .shown = version == 2 ? "2" : "1",
                  .means = version == 2 ? "A container is born in its group, and `nested` owns a subtree."
                                        : "`nested` sees its own group read-only: version 1 has no safe delegation.",
              });
    find_controllers(report, version);
    try_group(report);
}
