// Who answers for the system calls of a filter with SCMP_ACT_NOTIFY: an agent on the host, which is sent the filter's
// listener. https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#containerprocessstate
#pragma once

#include "runtime/hooks.h"

#include <jansson.h>
#include <sys/types.h>

// Takes the listener of process `pid` from the handshake and sends it to the profile's listenerPath. Nothing when the
// filter does not notify. `status` and `subject` describe the container.
int seccomp_forward(const json_t *profile, const seccomp_program *filter, int handshake, pid_t pid, const char *status,
                    const hook_subject *subject, bh_error *err);
