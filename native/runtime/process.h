// From "root of the user namespace" to the process that config.json describes: the same steps for a container's init
// and for every process that `exec` adds, so that both are confined alike.
#pragma once

#include "runtime/config.h"
#include "runtime/seccomp.h"

// As the host's root, for the child `pid`: what may need the host's privilege.
int process_set_limits(const process_config *p, int proc_fd, pid_t pid, bh_error *err);
// The caller becomes root of the user namespace it is in; not to be traced.
int process_become_root(const config *c, bh_error *err);
// In a session and, unless the caller's is to be kept, with a session keyring of its own.
int process_start_session(bool keep_keyring, bh_error *err);
// Once nothing of the host is needed any more: closes all fds but standard ones, the first `preserved` and `kept`, and
// hides the command line.
int process_let_go_of_host(int preserved, const int *kept, size_t count, bh_error *err);
// Goes to process.cwd, which must lie inside the container's root.
int process_enter_cwd(const process_config *p, bh_error *err);
// The program that process.args[0] means, by PATH of process.env; in `path`.
int process_find_program(const process_config *p, char *path, size_t size, bh_error *err);
// User, groups, capabilities, no_new_privs. All privilege is gone when it returns. A filter that notifies is loaded,
// and its listener sent over the handshake.
int process_drop_privileges(const process_config *p, bool setgroups_allowed, seccomp_program *filter, int handshake,
                            bh_error *err);
// Loads the seccomp filter if that has not been done, and execs. Returns only on failure.
int process_exec(const process_config *p, const char *path, const seccomp_program *filter, int keep_fds, bh_error *err);
