// Filters of system calls: which actions and flags the kernel has, and whether one works (seccomp(2)).
#include "probe/list.h"
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

typedef struct choice {
    const char *name;
    uint32_t value;
    bool (*is_there)(uint32_t value);
} choice;

static bool has_action(uint32_t action) {
    return seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

// Flags are looked at before the program: a flag that is known fails for want of a program.
static bool has_flag(uint32_t flag) {
    return seccomp(SECCOMP_SET_MODE_FILTER, flag, NULL) < 0 && errno == EFAULT;
}

// SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, of Linux 5.19; goes with a listener only.
#define WAIT_KILLABLE (1u << 5 | SECCOMP_FILTER_FLAG_NEW_LISTENER)

// What profiles may use: config.json's names for it are in docs/runtime.md.
static const choice actions[] = {
    {"kill_process", SECCOMP_RET_KILL_PROCESS, has_action},
    {"kill_thread", SECCOMP_RET_KILL_THREAD, has_action},
    {"trap", SECCOMP_RET_TRAP, has_action},
    {"errno", SECCOMP_RET_ERRNO, has_action},
    {"user_notif", SECCOMP_RET_USER_NOTIF, has_action},
    {"trace", SECCOMP_RET_TRACE, has_action},
    {"log", SECCOMP_RET_LOG, has_action},
    {"allow", SECCOMP_RET_ALLOW, has_action},
    {NULL, 0, NULL},
};
static const choice flags[] = {
    {"tsync", SECCOMP_FILTER_FLAG_TSYNC, has_flag},
    {"log", SECCOMP_FILTER_FLAG_LOG, has_flag},
    {"spec_allow", SECCOMP_FILTER_FLAG_SPEC_ALLOW, has_flag},
    {"new_listener", SECCOMP_FILTER_FLAG_NEW_LISTENER, has_flag},
    {"wait_killable", WAIT_KILLABLE, has_flag},
    {NULL, 0, NULL},
};

static void find_choices(json_t *report, const char *name, const choice *choices) {
    word_list there = list_begin(" ");
    size_t count = 0;
    for (const choice *c = choices; c->name; c++, count++)
        if (c->is_there(c->value))
            list_add(&there, c->name);
    bool all = json_array_size(there.array) == count;
    probe_add(report, &(probe_finding){
                          .group = "seccomp",
                          .name = name,
                          .state = all ? PROBE_GOOD : PROBE_NOTE,
                          .value = there.array,
                          .shown = *there.text ? there.text : "none",
                          .means = all ? "All that a profile can ask for." : "Profiles can ask for these only.",
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
    find_choices(report, "actions", actions);
    find_choices(report, "flags", flags);
    find_notify(report);
}
