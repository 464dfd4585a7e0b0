// process.selinuxLabel and linux.mountLabel: the label of the container's processes, their keyring and its file
// systems. https://github.com/opencontainers/runtime-spec/blob/main/config.md#linux-process
#pragma once

#include "runtime/config.h"
#include "runtime/mount_options.h"

// Before anything is made: a label that cannot be had is refused, and never left out. `p` may be another process than
// c->process.
int label_check(const config *c, const process_config *p, bh_error *err);

// In the process that becomes the container's, by the host's procfs. First for the keyring that it then makes,
int label_keyring(const process_config *p, int proc_fd, bh_error *err);
// then for the program that it executes. Before the seccomp filter, which need not allow it.
int label_program(const process_config *p, int proc_fd, bh_error *err);

// By the runtime, from outside: what the kernel says of the process that waits to execute its program,
int label_verify_waiting(const process_config *p, int proc_fd, pid_t pid, bh_error *err);
// and of the one that has.
int label_verify_running(const process_config *p, int proc_fd, pid_t pid, bh_error *err);

// Adds mountLabel to the options of a file system that is to be made, where its type takes it there.
int label_mount_options(const config *c, const mount_config *m, mount_options *options, bh_error *err);
// Labels the root of a file system that was made, where its type takes it there.
int label_mount(const config *c, const mount_config *m, int mount, bh_error *err);
