// Filters of system calls: which actions and flags the kernel has, and whether one works (seccomp(2)).
#include "probe/probe.h"
#include "probe/trial.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRIAL_TIMEOUT_MS 5000

static long seccomp(unsigned operation, unsigned flags, void *argument) {
    return syscall(SYS_seccomp, operation, flags, argument);
}

// Refuses getppid with an errno that it has no reason to give, and allows the rest.
static int use_filter(void *argument, bh_error *err) {
    (void)argument;
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTNAM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp(SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
        return bh_fail(err, errno, "no filter can be loaded");
    if (syscall(SYS_getppid) >= 0 || errno != ENOTNAM)
        return bh_fail(err, 0, "a filter was loaded and does nothing");
    return 0;
}

static void find_filter(json_t *report) {
    bh_error err = {0};
    bool works = trial_run(use_filter, NULL, TRIAL_TIMEOUT_MS, &err) == 0;
    probe_add(report, &(probe_finding){
                          .group = "seccomp",
                          .name = "filter",
                          .state = works ? PROBE_GOOD : PROBE_MISSING,
                          .value = json_boolean(works),
                          .shown = works ? "one was loaded, and refused a call" : err.message,
                          .means = works ? "Containers reach only the system calls that their profile lists."
                                         : "Containers would reach every system call of the kernel.",
                          .remedy = works ? NULL : "Use a kernel with CONFIG_SECCOMP_FILTER.",
                      });
}

// What profiles may use: config.json's names for it are in docs/runtime.md.
static void find_actions(json_t *report) {
    static const struct {
        const char *name;
        uint32_t action;
    } actions[] = {
        {"kill_process", SECCOMP_RET_KILL_PROCESS},
        {"kill_thread", SECCOMP_RET_KILL_THREAD},
        {"trap", SECCOMP_RET_TRAP},
        {"errno", SECCOMP_RET_ERRNO},
        {"user_notif", SECCOMP_RET_USER_NOTIF},
        {"trace", SECCOMP_RET_TRACE},
        {"log", SECCOMP_RET_LOG},
        {"allow", SECCOMP_RET_ALLOW},
    };
    json_t *there = json_array();
    char shown[200] = "";
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        uint32_t action = actions[i].action;
        if (seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
            continue;
        size_t length = strlen(shown);
        json_array_append_new(there, json_string(actions[i].name));
        snprintf(shown + length, sizeof shown - length, "%s%s", length ? " " : "", actions[i].name);
    }
    bool all = json_array_size(there) == sizeof actions / sizeof *actions;
    probe_add(report, &(probe_finding){
                          .group = "seccomp",
                          .name = "actions",
                          .state = all ? PROBE_GOOD : PROBE_NOTE,
                          .value = there,
                          .shown = *shown ? shown : "none",
                          .means = all ? "Every action that a profile can name." : "Profiles can name only these.",
                      });
}

static void find_flags(json_t *report) {
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {
        {"tsync", SECCOMP_FILTER_FLAG_TSYNC},
        {"log", SECCOMP_FILTER_FLAG_LOG},
        {"spec_allow", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
        {"new_listener", SECCOMP_FILTER_FLAG_NEW_LISTENER},
        {"wait_killable", 1u << 5}, // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, of Linux 5.19
    };
    json_t *there = json_array();
    char shown[200] = "";
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        // Flags are looked at before the program: a flag that is known fails for want of a program (EFAULT). The last
        // one goes with a listener only.
        unsigned with = flags[i].flag == 1u << 5 ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
        if (seccomp(SECCOMP_SET_MODE_FILTER, flags[i].flag | with, NULL) == 0 || errno != EFAULT)
            continue;
        size_t length = strlen(shown);
        json_array_append_new(there, json_string(flags[i].name));
        snprintf(shown + length, sizeof shown - length, "%s%s", length ? " " : "", flags[i].name);
    }
    bool all = json_array_size(there) == sizeof flags / sizeof *flags;
    probe_add(report, &(probe_finding){
                          .group = "seccomp",
                          .name = "flags",
                          .state = all ? PROBE_GOOD : PROBE_NOTE,
                          .value = there,
                          .shown = *shown ? shown : "none",
                          .means = all ? "Every flag that a profile can ask for." : "Profiles can ask for these only.",
                      });
}

static void find_notify(json_t *report) {
    struct seccomp_notif_sizes sizes = {0};
    bool there = seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0;
    char shown[96];
    snprintf(shown, sizeof shown, "questions of %u bytes, answers of %u", sizes.seccomp_notif,
             sizes.seccomp_notif_resp);
    probe_add(report, &(probe_finding){
                          .group = "seccomp",
                          .name = "notify",
                          .state = there ? PROBE_GOOD : PROBE_NOTE,
                          .value = json_boolean(there),
                          .shown = there ? shown : "no",
                          .means = there ? "An agent outside can answer for calls inside (SCMP_ACT_NOTIFY)."
                                         : "Profiles with SCMP_ACT_NOTIFY cannot be used.",
                      });
}

void probe_seccomp(json_t *report) {
    find_filter(report);
    find_actions(report);
    find_flags(report);
    find_notify(report);
}
