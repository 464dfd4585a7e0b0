// The kernel itself, and what of root's power this process has.
#include "probe/probe.h"

#include "base/capability_names.h"
#include "probe/list.h"
#include "probe/version.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

// Overlays of id-mapped layers, the last thing the runtime came to need.
static const kernel_version oldest = {5, 19, 0};

static void find_release(json_t *report) {
    struct utsname host;
    char shown[200];
    uname(&host);
    running_kernel kernel = version_running(host.release, host.version);
    kernel_version v = kernel.version;
    bool new_enough = version_compare(v, oldest) >= 0;
    snprintf(shown, sizeof shown, "%s%s", host.release, kernel.patched_unseen ? ", a distribution's numbering" : "");
    if (!kernel.patched_unseen && strstr(host.version, "Debian "))
        snprintf(shown, sizeof shown, "%s, which is %d.%d.%d", host.release, v.major, v.minor, v.patch);
    probe_add(report,
              &(probe_finding){
                  .group = "kernel",
                  .name = "release",
                  .state = new_enough ? PROBE_GOOD : PROBE_MISSING,
                  .value = json_string(host.release),
                  .shown = shown,
                  .means = new_enough ? "New enough: the runtime needs 5.19 or later."
                                      : "Too old: the runtime gives each container the image's files with ids of its "
                                        "own, which overlayfs can since 5.19.",
                  .remedy = new_enough ? NULL : "Install a newer kernel: Debian 12 and Ubuntu 24.04 have one.",
              });
    bool tested = strcmp(host.machine, "x86_64") == 0;
    probe_add(report, &(probe_finding){
                          .group = "kernel",
                          .name = "architecture",
                          .state = tested ? PROBE_GOOD : PROBE_NOTE,
                          .value = json_string(host.machine),
                          .shown = host.machine,
                          .means = tested ? "What Bulkhead is tested on." : "Bulkhead is tested on x86_64 only.",
                      });
}

static void find_capabilities(json_t *report) {
    char shown[420];
    word_list lacking = list_begin(", ");
    for (int i = 0; capability_names[i]; i++) {
        // Of the bounding set: what is not in there, no program that is started can have.
        if (prctl(PR_CAPBSET_READ, i) == 0)
            list_add(&lacking, capability_names[i]);
    }
    bool all = *lacking.text == '\0';
    snprintf(shown, sizeof shown, "all but %s", lacking.text);
    bool no_admin = prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 0;
    bool no_resource = prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) == 0;
    const char *means = "Root can do what root can do.";
    if (no_admin)
        means = "Without CAP_SYS_ADMIN there are no namespaces and no mounts.";
    else if (no_resource)
        means = "Without CAP_SYS_RESOURCE a container's rlimits can be no higher than this shell's hard limits, and a "
                "lower oom_score_adj cannot be asked for.";
    else if (!all)
        means = "Something around this host keeps these from root; what needs them fails, and says so.";
    probe_add(report, &(probe_finding){
                          .group = "kernel",
                          .name = "root",
                          .state = no_admin ? PROBE_MISSING : (all ? PROBE_GOOD : PROBE_NOTE),
                          .value = lacking.array,
                          .shown = all ? "has every capability" : shown,
                          .means = means,
                          .remedy = no_admin ? "Run it outside of the container that this is." : NULL,
                      });
}

void probe_kernel(json_t *report) {
    find_release(report);
    find_capabilities(report);
}
