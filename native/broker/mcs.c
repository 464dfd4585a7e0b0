// Categories and labels: see mcs.h.
#include "broker/mcs.h"

#include "base/selinux.h"
#include "broker/machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PROCESS "system_u:system_r:"

// The names of container-selinux and of Debian's policy, as in native/selinux. After each the stricter one that takes
// its place where a policy has no type for containers that make containers, or for a QEMU that translates code.
static const struct {
    const char *what, *types[3];
} kinds[] = {
    {"hardened", {"container_t"}},
    {"nested", {"container_engine_t", "container_t"}},
    {"tcg", {"svirt_tcg_t", "svirt_t"}},
    {"kvm", {"svirt_t"}},
};

// What follows the third colon of a label; "" of an empty one.
static const char *level_of(const char *label) {
    for (int colons = 0; *label && colons < 3; label++)
        colons += *label == ':';
    return label;
}

static bool is_taken(const machine *machines, const char *level) {
    for (const machine *m = machines; m; m = m->next)
        if (strcmp(level_of(m->label), level) == 0)
            return true;
    return false;
}

int mcs_give(const machine *machines, const char *what, char label[MCS_LABEL_MAX], bh_error *err) {
    char level[MCS_LEVEL_MAX];
    *label = '\0';
    if (selinux_current_mode() == SELINUX_OFF)
        return 0;
    return mcs_allocate(machines, level, err) < 0 ? -1 : mcs_process_label(*what ? what : "tcg", level, label, err);
}

int mcs_allocate(const machine *machines, char level[MCS_LEVEL_MAX], bh_error *err) {
    do {
        uint32_t random[2];
        if (getrandom(random, sizeof random, 0) != sizeof random)
            return bh_fail(err, errno, "cannot choose SELinux categories");
        // Two different ones, each pair as likely as any other: the second skips the first.
        unsigned first = random[0] % MCS_CATEGORIES, second = random[1] % (MCS_CATEGORIES - 1);
        second += second >= first;
        snprintf(level, MCS_LEVEL_MAX, "s0:c%u,c%u", first < second ? first : second, first < second ? second : first);
        // There are 523,776 pairs and at most ID_SLOTS machines: another try is rare, and a third hardly ever seen.
    } while (is_taken(machines, level));
    return 0;
}

int mcs_process_label(const char *what, const char *level, char label[MCS_LABEL_MAX], bh_error *err) {
    const char *wanted = what;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].what, what) != 0)
            continue;
        wanted = kinds[i].types[0];
        for (const char *const *type = kinds[i].types; *type; type++) {
            snprintf(label, MCS_LABEL_MAX, PROCESS "%s:%s", *type, level);
            if (selinux_knows(label))
                return 0;
        }
    }
    return bh_fail(
        err, 0, "the host's SELinux policy has no type %s (install container-selinux, or see native/selinux)", wanted);
}

void mcs_monitor_label(const char *process_label, char label[MCS_LABEL_MAX]) {
    // A range: its sockets are s0, for the server to reach, and what it may touch goes up to the machine's pair.
    snprintf(label, MCS_LABEL_MAX, PROCESS "monitor_t:s0-%s", level_of(process_label));
    if (!*process_label || !selinux_knows(label))
        *label = '\0';
}

void mcs_file_label(const char *process_label, char label[MCS_LABEL_MAX]) {
    snprintf(label, MCS_LABEL_MAX, "system_u:object_r:container_file_t:%s", level_of(process_label));
}

// In the form that mcs_allocate writes and no other: no sign, no leading zeros, nothing behind it.
static bool is_level(const char *text) {
    unsigned first, second;
    char again[MCS_LEVEL_MAX + 16];
    if (sscanf(text, "s0:c%4u,c%4u", &first, &second) != 2 || first >= second || second >= MCS_CATEGORIES)
        return false;
    snprintf(again, sizeof again, "s0:c%u,c%u", first, second);
    return strcmp(again, text) == 0;
}

bool mcs_is_label(const char *text) {
    if (*text == '\0')
        return true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (const char *const *type = kinds[i].types; *type; type++) {
            char start[MCS_LABEL_MAX];
            int length = snprintf(start, sizeof start, PROCESS "%s:", *type);
            if (strncmp(text, start, (size_t)length) == 0)
                return is_level(text + length);
        }
    }
    return false;
}
