// The words of linux.seccomp: see seccomp_words.h.
#include "runtime/seccomp_words.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct {
    const char *name;
    uint32_t action;
    bool answers; // with a number of the profile's
} actions[] = {
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true},
    {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, false},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG, false},
    {"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY, false},
    {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), true},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP, false},
};

static const struct {
    const char *name;
    enum scmp_compare compare;
} operators[] = {
    {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_LE", SCMP_CMP_LE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    {"SCMP_CMP_NE", SCMP_CMP_NE},
};

static const struct {
    const char *name;
    uint32_t token;
} architectures[] = {
    {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
    {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
    {"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS},
    {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64},
    {"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32},
    {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
    {"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64},
    {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32},
    {"SCMP_ARCH_PARISC", SCMP_ARCH_PARISC},
    {"SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64},
    {"SCMP_ARCH_PPC", SCMP_ARCH_PPC},
    {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64},
    {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},
    {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
    {"SCMP_ARCH_S390", SCMP_ARCH_S390},
    {"SCMP_ARCH_S390X", SCMP_ARCH_S390X},
    {"SCMP_ARCH_X32", SCMP_ARCH_X32},
    {"SCMP_ARCH_X86", SCMP_ARCH_X86},
    {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
};

static const struct {
    const char *name;
    unsigned flag;
} flags_known[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", 0}, // one thread: nothing to synchronise
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

int seccomp_read_action(const char *name, const char *where, int64_t number, uint32_t *action, bh_error *err) {
    for (size_t i = 0; i < COUNT(actions); i++) {
        if (strcmp(name, actions[i].name) != 0)
            continue;
        if (number >= 0 && !actions[i].answers)
            return bh_fail(err, 0, "%s: %s answers with no errno of its own", where, name);
        *action = actions[i].action | (actions[i].answers ? number < 0 ? EPERM : (uint32_t)number : 0);
        return 0;
    }
    return bh_fail(err, 0, "%s \"%s\" is not supported", where, name);
}

int seccomp_read_operator(const char *name, const char *where, enum scmp_compare *compare, bh_error *err) {
    for (size_t i = 0; i < COUNT(operators); i++) {
        if (strcmp(name, operators[i].name) == 0) {
            *compare = operators[i].compare;
            return 0;
        }
    }
    return bh_fail(err, 0, "%s needs an index and an op of SCMP_CMP_*, not \"%s\"", where, name);
}

int seccomp_read_architecture(const char *name, const char *where, uint32_t *token, bh_error *err) {
    for (size_t i = 0; i < COUNT(architectures); i++) {
        if (strcmp(name, architectures[i].name) == 0) {
            *token = architectures[i].token;
            return 0;
        }
    }
    return bh_fail(err, 0, "%s: there is no architecture \"%s\"", where, name);
}

int seccomp_read_flag(const char *name, const char *where, unsigned *flags, bh_error *err) {
    for (size_t i = 0; i < COUNT(flags_known); i++) {
        if (strcmp(name, flags_known[i].name) == 0) {
            *flags |= flags_known[i].flag;
            return 0;
        }
    }
    return bh_fail(err, 0, "%s: %s is not supported", where, name);
}

// EFAULT, for want of a filter, comes after the flags have been looked at (seccomp(2)).
static bool kernel_takes(unsigned flag) {
    if (flag == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        flag |= SECCOMP_FILTER_FLAG_NEW_LISTENER; // is about one, so not taken without
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, NULL) < 0 && errno == EFAULT;
}

#define NAMES_OF(table)                                                                                                \
    ({                                                                                                                 \
        json_t *names_ = json_array();                                                                                 \
        for (size_t i = 0; i < COUNT(table); i++)                                                                      \
            json_array_append_new(names_, json_string((table)[i].name));                                               \
        names_;                                                                                                        \
    })

json_t *seccomp_words(void) {
    json_t *supported = json_array();
    for (size_t i = 0; i < COUNT(flags_known); i++)
        if (kernel_takes(flags_known[i].flag))
            json_array_append_new(supported, json_string(flags_known[i].name));
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "enabled", true, "actions", NAMES_OF(actions), "operators",
                     NAMES_OF(operators), "archs", NAMES_OF(architectures), "knownFlags", NAMES_OF(flags_known),
                     "supportedFlags", supported);
}
