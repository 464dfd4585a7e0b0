// Namespaces: which kinds can be made, how many, and by whom.
#include "probe/namespaces.h"

#include "base/namespace_kinds.h"
#include "probe/list.h"
#include "probe/probe.h"
#include "probe/sysfile.h"
#include "probe/trial.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define TRIAL_TIMEOUT_MS 5000
#define NOBODY 65534
// Fewer of a kind than this are soon used up: a container takes one of each.
#define FEW 1000

static int make_one(void *argument, bh_error *err) {
    const namespace_entry *kind = argument;
    // Asking for it is all that tells: the file in /proc/self/ns exists where a limit, an LSM or a filter says no as
    // well.
    if (unshare((int)kind->flag) < 0)
        return bh_fail(err, errno, "%s", kind->type);
    return 0;
}

static void find_kinds(json_t *report) {
    word_list made = list_begin(" ");
    char failures[300] = "";
    for (int i = 0; i < NAMESPACE_KINDS; i++) {
        bh_error err = {0};
        namespace_entry kind = namespace_table[i];
        if (trial_run(make_one, &kind, TRIAL_TIMEOUT_MS, &err) == 0) {
            list_add(&made, kind.type);
        } else {
            size_t length = strlen(failures);
            snprintf(failures + length, sizeof failures - length, "%s%.80s", length ? "; " : "not made: ", err.message);
        }
    }
    bool all = json_array_size(made.array) == NAMESPACE_KINDS;
    probe_add(report,
              &(probe_finding){
                  .group = "namespaces",
                  .name = "kinds",
                  .state = all ? PROBE_GOOD : PROBE_MISSING,
                  .value = made.array,
                  .shown = all ? made.text : failures,
                  .means = all ? "Each was made once: a container gets one of each kind."
                               : "Each container is to have one of each kind.",
                  .remedy = all ? NULL
                                : "Run outside of the container that this is, raise the limits in /proc/sys/user, or "
                                  "use a kernel that has them (CONFIG_*_NS).",
              });
}

int64_t namespaces_least(json_t *limits, const char **kind) {
    int64_t least = -1, limit;
    *kind = "";
    for (int i = 0; i < NAMESPACE_KINDS; i++) {
        char path[96];
        snprintf(path, sizeof path, "/proc/sys/user/max_%s_namespaces", namespace_table[i].file);
        if (!sysfile_number(path, &limit))
            continue;
        if (limits)
            json_object_set_new(limits, namespace_table[i].type, json_integer(limit));
        if (least < 0 || limit < least) {
            least = limit;
            *kind = namespace_table[i].file;
        }
    }
    return least;
}

static void find_limits(json_t *report) {
    json_t *limits = json_object();
    const char *which;
    int64_t least = namespaces_least(limits, &which);
    char shown[96] = "none to be read", remedy[96];
    if (least >= 0)
        snprintf(shown, sizeof shown, "%" PRId64 " or more of each kind", least);
    snprintf(remedy, sizeof remedy, "sysctl -w user.max_%s_namespaces=%d", which, 30 * FEW);
    bool few = least >= 0 && least < FEW;
    probe_add(report, &(probe_finding){
                          .group = "namespaces",
                          .name = "limits",
                          .state = few ? (least == 0 ? PROBE_MISSING : PROBE_WEAK) : PROBE_GOOD,
                          .value = limits,
                          .shown = shown,
                          .means = few ? "Each container takes one of each kind, `nested` ones more."
                                       : "Not what runs out first: each container takes one of each kind.",
                          .remedy = few ? remedy : NULL,
                      });
}

// As somebody without any privilege. Not only made but used: AppArmor lets a namespace be made and then refuses what
// its root would do there.
static int make_unprivileged(void *argument, bh_error *err) {
    (void)argument;
    if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return bh_fail(err, errno, "cannot become nobody");
    if (unshare(CLONE_NEWUSER | CLONE_NEWUTS) < 0)
        return bh_fail(err, errno, "nobody cannot make a user namespace");
    if (sethostname("trial", 5) < 0)
        return bh_fail(err, errno, "nobody can make a user namespace, but not be root in it");
    return 0;
}

static void find_unprivileged(json_t *report) {
    // Debian's and Ubuntu's own switches, which make it fail where the kernel as such would let it be.
    static const char *const switches[][2] = {
        {"/proc/sys/kernel/unprivileged_userns_clone", "0"},
        {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"},
    };
    bh_error err = {0};
    bool can = trial_run(make_unprivileged, NULL, TRIAL_TIMEOUT_MS, &err) == 0;
    char remedy[160] = "", text[16];
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (sysfile_text(switches[i][0], text, sizeof text) && strcmp(text, switches[i][1]) == 0)
            snprintf(remedy, sizeof remedy,
                     "If learners are to use `unshare -r` on the host itself: sysctl -w kernel.%s=%s",
                     strrchr(switches[i][0], '/') + 1, *text == '0' ? "1" : "0");
    // The broker makes a container's namespaces as root, so that nothing is lost where others cannot.
    probe_add(report,
              &(probe_finding){
                  .group = "namespaces",
                  .name = "unprivileged",
                  .state = PROBE_NOTE,
                  .value = json_boolean(can),
                  .shown = can ? "anyone can make a user namespace" : err.message,
                  .means = can ? "Learners in `nested` can make containers of their own. Host users reach as much of "
                                 "the kernel as they do."
                               : "Host users reach less of the kernel. If the rule holds for `nested` containers too, "
                                 "their learners make no user namespaces; the runtime, as root, is not affected.",
                  .remedy = *remedy ? remedy : NULL,
              });
}

void probe_namespaces(json_t *report) {
    find_kinds(report);
    find_limits(report);
    find_unprivileged(report);
}
