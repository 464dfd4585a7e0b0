// What the kernel offers of SELinux, without libselinux: labels by /proc/PID/attr and by extended attributes, and the
// questions that /sys/fs/selinux answers. https://docs.kernel.org/admin-guide/LSM/SELinux.html
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

// Room for any label that this software writes or is asked to: user:role:type:level and a zero.
enum { SELINUX_LABEL_MAX = 256 };

typedef enum selinux_mode { SELINUX_OFF, SELINUX_PERMISSIVE, SELINUX_ENFORCING } selinux_mode;

// Off as well where the kernel has no policy yet.
selinux_mode selinux_current_mode(void);
const char *selinux_mode_name(selinux_mode mode);

// Whether the policy knows the label: its user, role, type and categories. No error text, for it is a question.
bool selinux_knows(const char *label);

// Writes one of the calling thread's attributes: "exec" (the label of the next program), "keycreate", "current". NULL
// takes back what was written before. `proc_fd` is a procfs that is certainly one.
int selinux_write_attribute(int proc_fd, const char *attribute, const char *label, bh_error *err);
// Reads an attribute of process `pid` (as `proc_fd` counts them); "" when it is not set.
int selinux_read_attribute(int proc_fd, pid_t pid, const char *attribute, char label[SELINUX_LABEL_MAX], bh_error *err);

// Labels a file itself (no link is followed); `path` is relative to `dir`.
int selinux_label_file(int dir, const char *path, const char *label, bh_error *err);
