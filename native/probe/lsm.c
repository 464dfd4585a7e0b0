// Linux security modules: which are active, and what the ones that Bulkhead meets are set to.
#include "base/selinux.h"
#include "probe/list.h"
#include "probe/probe.h"
#include "probe/sysfile.h"

#include <inttypes.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// linux/lsm.h of 6.8, which older build machines lack. The number of the call is the same on every architecture.
#define LSM_LIST_MODULES 461
#define LSM_ID_FIRST 100
static const char *const lsm_names[] = {"capability", "selinux",  "smack", "tomoyo",   "apparmor", "yama", "loadpin",
                                        "safesetid",  "lockdown", "bpf",   "landlock", "ima",      "evm",  "ipe"};

// The kernel's own list; securityfs, which has it on older kernels, is not mounted everywhere.
static void list_active(char *list, size_t size) {
    uint64_t ids[32];
    uint32_t bytes = sizeof ids;
    long count = syscall(LSM_LIST_MODULES, ids, &bytes, 0);
    if (count < 0) {
        sysfile_text("/sys/kernel/security/lsm", list, size);
        return;
    }
    list[0] = '\0';
    for (long i = 0; i < count; i++) {
        size_t length = strlen(list);
        uint64_t index = ids[i] - LSM_ID_FIRST;
        const char *name = index < sizeof lsm_names / sizeof *lsm_names ? lsm_names[index] : "another";
        snprintf(list + length, size - length, "%s%s", length ? "," : "", name);
    }
}

static bool is_active(const char *list, const char *name) {
    const char *at = strstr(list, name);
    return at != NULL && (at == list || at[-1] == ',');
}

static void find_active(json_t *report, const char *list) {
    word_list names = list_begin(", ");
    char copy[256], *rest = copy;
    snprintf(copy, sizeof copy, "%s", list);
    for (const char *name; (name = strsep(&rest, ","));)
        if (*name)
            list_add(&names, name);
    probe_add(report, &(probe_finding){
                          .group = "lsm",
                          .name = "active",
                          .state = PROBE_NOTE,
                          .value = names.array,
                          .shown = *names.text ? names.text : "not to be read (is securityfs mounted?)",
                          .means = "What can say no after permissions have said yes.",
                      });
}

static void find_selinux(json_t *report, bool active) {
    // Three ways of not holding, which want different things done: not in the kernel, without a policy, only watching.
    selinux_mode mode = selinux_current_mode();
    bool enforcing = mode == SELINUX_ENFORCING;
    const char *shown = !active ? "absent" : (mode == SELINUX_OFF ? "no policy" : selinux_mode_name(mode));
    probe_add(
        report,
        &(probe_finding){
            .group = "lsm",
            .name = "selinux",
            .state = enforcing ? PROBE_GOOD : (active ? PROBE_WEAK : PROBE_NOTE),
            .value = json_string(shown),
            .shown = shown,
            .means = enforcing ? "Containers are kept apart by label as well as by user id."
                               : "Containers are kept apart by user ids, namespaces and filters, not by "
                                 "label. Labs on SELinux run in a VM that has it.",
            .remedy = active && !enforcing ? "Load a policy (native/selinux), watch its log, then setenforce 1." : NULL,
        });
}

static void find_apparmor(json_t *report, bool active) {
    probe_add(report, &(probe_finding){
                          .group = "lsm",
                          .name = "apparmor",
                          .state = PROBE_NOTE,
                          .value = json_boolean(active),
                          .shown = active ? "active" : "absent",
                          .means = active ? "A container can be put under a profile that the host has loaded "
                                            "(process.apparmorProfile); the host's own hold for QEMU."
                                          : "Nothing is missing: Bulkhead's own containers ask for no profile.",
                      });
}

static void find_landlock(json_t *report) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    char shown[32];
    snprintf(shown, sizeof shown, "ABI %ld", abi);
    probe_add(report, &(probe_finding){
                          .group = "lsm",
                          .name = "landlock",
                          .state = PROBE_NOTE,
                          .value = abi < 0 ? NULL : json_integer(abi),
                          .shown = abi < 0 ? "absent" : shown,
                          .means = abi < 0 ? "Programs cannot sandbox themselves with it; a lesson cannot show it."
                                           : "Programs can sandbox themselves with it, without any privilege.",
                      });
}

// "none [integrity] confidentiality": the brackets are around what holds.
static void find_lockdown(json_t *report) {
    char text[96], mode[32] = "none";
    sysfile_text("/sys/kernel/security/lockdown", text, sizeof text);
    const char *open = strchr(text, '[');
    if (open)
        snprintf(mode, sizeof mode, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
    bool locked = strcmp(mode, "none") != 0;
    probe_add(report, &(probe_finding){
                          .group = "lsm",
                          .name = "lockdown",
                          .state = PROBE_NOTE,
                          .value = json_string(mode),
                          .shown = mode,
                          .means = locked ? "Even root cannot change the running kernel."
                                          : "Root of the host can change the running kernel; root of a container "
                                            "cannot in any case.",
                      });
}

void probe_lsm(json_t *report) {
    char list[256];
    list_active(list, sizeof list);
    find_active(report, list);
    find_selinux(report, is_active(list, "selinux"));
    find_apparmor(report, is_active(list, "apparmor"));
    find_landlock(report);
    find_lockdown(report);
}
