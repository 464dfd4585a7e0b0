// Which SELinux categories belong to a machine, and the labels made of them: on a host with SELinux no two live
// machines share a pair c1 < c2 of the 1,024 categories, so none of them may touch what is another's, whoever owns it.
// The pair is in the machine's record as part of its label, and so stays its own when the broker is started again.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    MCS_CATEGORIES = 1024,
    MCS_LEVEL_MAX = 16, // "s0:c1022,c1023"
    MCS_LABEL_MAX = 80, // "system_u:system_r:container_engine_t:s0:c1022,c1023"
};

struct machine;

// Where the host has SELinux, a label for a machine that is to join the list: a container by its profile, or QEMU by
// its acceleration ("" as long as that is not known). Elsewhere an empty one.
int mcs_give(const struct machine *machines, const char *what, char label[MCS_LABEL_MAX], bh_error *err);

// A pair that no machine of the list has, at random: other programs of the host may give out pairs as well, and they
// and this one should not all begin with the first.
int mcs_allocate(const struct machine *machines, char level[MCS_LEVEL_MAX], bh_error *err);
// The label of such a machine with these categories: it has the first type of a list that the host's policy knows.
// Fails when it knows none.
int mcs_process_label(const char *what, const char *level, char label[MCS_LABEL_MAX], bh_error *err);
// The label of a machine's monitors: they reach its categories and no other's. Empty where the machine has none, and
// where the policy has no type for them (container-selinux): they are then labelled as the broker is.
void mcs_monitor_label(const char *process_label, char label[MCS_LABEL_MAX]);
// The label of the files of a container whose processes have this one.
void mcs_file_label(const char *process_label, char label[MCS_LABEL_MAX]);
// Whether `text` is a label that mcs_process_label writes, or empty.
bool mcs_is_label(const char *text);
