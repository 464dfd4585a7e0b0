// Settings of the host's kernel that make a container's wall thinner or thicker.
#include "probe/probe.h"
#include "probe/sysfile.h"
#include "probe/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TRIAL_TIMEOUT_MS 5000
#define NOBODY 65534

// Numbers in /proc/sys, and from which value on they are as they should be.
static const struct {
    const char *name; // as sysctl(8) has it
    int64_t least;    // as it should be from here on
    bool upside_down; // ... or up to here
    probe_state otherwise;
    const char *means;
} settings[] = {
    {"kernel.dmesg_restrict", 1, false, PROBE_WEAK,
     "Whether only root reads the kernel's log, which names addresses and other people's programs. Containers' filters "
     "refuse it."},
    {"kernel.kptr_restrict", 1, false, PROBE_WEAK,
     "Whether kernel addresses are hidden in files of /proc, from those a `nested` container shows too."},
    {"kernel.yama.ptrace_scope", 1, false, PROBE_NOTE,
     "Whether a process may trace only its own children. Machines have user ids of their own, so that they cannot "
     "trace each other in any case."},
    {"kernel.unprivileged_bpf_disabled", 1, false, PROBE_WEAK,
     "Whether only root loads BPF programs. Containers' filters refuse the call."},
    {"kernel.perf_event_paranoid", 2, false, PROBE_WEAK,
     "From 2 on others than root cannot measure the kernel. Containers' filters refuse the call."},
    {"vm.unprivileged_userfaultfd", 0, true, PROBE_WEAK,
     "Whether anyone can halt the kernel at a page fault, which many exploits need. Containers' filters refuse the "
     "call."},
    {"kernel.io_uring_disabled", 1, false, PROBE_NOTE,
     "Whether io_uring, where holes are frequent, is for root only. Containers' filters refuse it."},
    {"fs.suid_dumpable", 0, true, PROBE_WEAK,
     "Whether programs that changed their user leave core dumps that others can read."},
    {"fs.protected_symlinks", 1, false, PROBE_WEAK,
     "Whether a link that somebody put into /tmp can lead root astray on the host."},
    {"fs.protected_hardlinks", 1, false, PROBE_WEAK,
     "Whether somebody can keep another's setuid program by a hard link after it was replaced."},
};

static void find_number(json_t *report, size_t i) {
    char path[96] = "/proc/sys/", shown[64], remedy[96];
    int64_t value;
    strcat(path, settings[i].name);
    for (char *dot = strchr(path, '.'); dot; dot = strchr(dot, '.'))
        *dot = '/';
    bool there = sysfile_number(path, &value);
    bool good = there && (settings[i].upside_down ? value <= settings[i].least : value >= settings[i].least);
    snprintf(shown, sizeof shown, "%" PRId64, value);
    snprintf(remedy, sizeof remedy, "sysctl -w %s=%" PRId64, settings[i].name, settings[i].least);
    probe_add(report, &(probe_finding){
                          .group = "settings",
                          .name = strchr(settings[i].name, '.') + 1,
                          .state = good ? PROBE_GOOD : (there ? settings[i].otherwise : PROBE_NOTE),
                          .value = there ? json_integer(value) : NULL,
                          .shown = there ? shown : "this kernel has no such setting",
                          .means = settings[i].means,
                          .remedy = there && !good ? remedy : NULL,
                      });
}

// Puts a letter into the input of its own terminal, as nobody. Returns 1 if the kernel lets it, 0 if not.
static int type_ahead(void *argument, bh_error *err) {
    (void)argument;
    char letter = 'x';
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    const char *name = master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ? NULL : ptsname(master);
    // The first terminal that the leader of a new session opens is its own.
    if (!name || setsid() < 0 || open(name, O_RDWR | O_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot open a terminal to try with");
    int slave = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (slave < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return bh_fail(err, errno, "cannot try as nobody");
    return ioctl(slave, TIOCSTI, &letter) == 0;
}

static void find_typing(json_t *report) {
    bh_error err = {0};
    int typed = trial_run(type_ahead, NULL, TRIAL_TIMEOUT_MS, &err);
    probe_add(report,
              &(probe_finding){
                  .group = "settings",
                  .name = "tty.legacy_tiocsti",
                  .state = typed == 0 ? PROBE_GOOD : (typed > 0 ? PROBE_WEAK : PROBE_NOTE),
                  .value = typed < 0 ? NULL : json_boolean(typed),
                  .shown = typed > 0    ? "TIOCSTI works: tried"
                           : typed == 0 ? "TIOCSTI is refused: tried"
                                        : err.message,
                  .means = "Whether a program can type into the terminal that it shares with whoever started it (su, "
                           "sudo). Containers get a terminal of their own, and their filters refuse the call.",
                  .remedy = typed > 0 ? "sysctl -w dev.tty.legacy_tiocsti=0 (Linux 6.2 and later)" : NULL,
              });
}

static void find_core_pattern(json_t *report) {
    char pattern[160];
    bool there = sysfile_text("/proc/sys/kernel/core_pattern", pattern, sizeof pattern);
    bool piped = pattern[0] == '|';
    probe_add(report,
              &(probe_finding){
                  .group = "settings",
                  .name = "core_pattern",
                  .state = piped ? PROBE_NOTE : PROBE_GOOD,
                  .value = there ? json_string(pattern) : NULL,
                  .shown = *pattern ? pattern : "empty: no core dumps",
                  .means = piped
                               ? "When a program crashes in a container, root of the host runs this program on what it "
                                 "left. Bulkhead's own containers forbid it (RLIMIT_CORE 1); others' may not."
                               : "A program that crashes in a container leaves its core inside, or none.",
                  .remedy = piped ? "sysctl -w kernel.core_pattern=core, if nobody collects crashes here." : NULL,
              });
}

void probe_settings(json_t *report) {
    find_typing(report);
    find_core_pattern(report);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        find_number(report, i);
}
