// Handing a filter's listener to the agent that answers for it: see seccomp_notify.h.
#include "runtime/seccomp_notify.h"
#include "base/cleanup.h"
#include "base/fd_passing.h"
#include "runtime/config.h"
#include "runtime/handshake.h"
#include "runtime/trace.h"

#include <errno.h>
#include <string.h>

// The container process state of runtime-spec.
static json_t *describe(const json_t *profile, pid_t pid, const char *status, const hook_subject *subject) {
    json_t *description = json_pack("{s:s, s:[s], s:i, s:o}", "ociVersion", OCI_VERSION, "fds", "seccompFd", "pid",
                                    (int)pid, "state", hooks_state(subject, status));
    json_t *metadata = json_object_get(profile, "listenerMetadata");
    if (metadata)
        json_object_set(description, "metadata", metadata);
    return description;
}

int seccomp_forward(const json_t *profile, const seccomp_program *filter, int handshake, pid_t pid, const char *status,
                    const hook_subject *subject, bh_error *err) {
    uint64_t start = trace_now();
    if (!filter->notifies)
        return 0;
    const char *path = json_string_value(json_object_get(profile, "listenerPath"));
    cleanup_fd int listener = handshake_wait_file(handshake, HANDSHAKE_LISTENER, err);
    if (listener < 0)
        return -1;
    cleanup_json json_t *description = describe(profile, pid, status, subject);
    cleanup_free char *text = description ? json_dumps(description, JSON_COMPACT) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot describe the container to linux.seccomp.listenerPath");
    cleanup_fd int agent = fd_connect(path, err);
    if (agent < 0 || fd_send(agent, text, strlen(text), listener, err) < 0)
        return bh_wrap(err, "linux.seccomp.listenerPath");
    trace_step("seccomp listener", start, "sent to %s", path);
    return 0;
}
