// Hooks: see hooks.h.
#include "runtime/hooks.h"
#include "base/cleanup.h"
#include "runtime/clone.h"
#include "runtime/config.h"
#include "runtime/handshake.h"
#include "runtime/log.h"
#include "runtime/trace.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

enum { TIMEOUT_MAX_S = 24 * 3600 };

static const struct {
    const char *name;
    const char *status; // of the container at that moment
} kinds[HOOK_KINDS] = {
    [HOOK_PRESTART] = {"prestart", "creating"},
    [HOOK_CREATE_RUNTIME] = {"createRuntime", "creating"},
    [HOOK_CREATE_CONTAINER] = {"createContainer", "creating"},
    [HOOK_START_CONTAINER] = {"startContainer", "created"},
    [HOOK_POSTSTART] = {"poststart", "running"},
    [HOOK_POSTSTOP] = {"poststop", "stopped"},
};

typedef struct hook {
    const char *path;
    const char **args, **env; // NULL-terminated, or NULL
    int64_t timeout_s;        // 0: none
} hook;

static void release_hook(hook *h) {
    free(h->args);
    free(h->env);
}

static int parse_hook(const json_place *at, hook *h, bh_error *err) {
    *h = (hook){0};
    if (json_get_string(at, "path", &h->path, err) < 0 || json_get_strings(at, "args", &h->args, err) < 0 ||
        json_get_strings(at, "env", &h->env, err) < 0 ||
        json_get_integer(at, "timeout", 1, TIMEOUT_MAX_S, &h->timeout_s, err) < 0)
        return -1;
    if (!h->path || *h->path != '/')
        return bh_fail(err, 0, "%s.path must be an absolute path", at->path);
    return 0;
}

int hooks_check(const json_place *hooks, bh_error *err) {
    const char *name;
    json_t *ignored;
    json_object_foreach(hooks->object, name, ignored) {
        int kind = 0;
        while (kind < HOOK_KINDS && strcmp(name, kinds[kind].name) != 0)
            kind++;
        if (kind == HOOK_KINDS)
            log_warning("hooks.%s is ignored: there is no such moment", name);
    }
    for (int kind = 0; kind < HOOK_KINDS; kind++) {
        json_t *array = NULL;
        if (json_get_array(hooks, kinds[kind].name, &array, err) < 0)
            return -1;
        for (size_t i = 0; i < json_array_size(array); i++) {
            json_place item;
            hook h = {0};
            int result = json_get_element(hooks, kinds[kind].name, array, i, &item, err);
            if (result == 0)
                result = parse_hook(&item, &h, err);
            release_hook(&h);
            if (result < 0)
                return -1;
        }
    }
    return 0;
}

const char *hooks_name(hook_kind kind) {
    return kinds[kind].name;
}

bool hooks_any(const json_t *hooks, hook_kind kind) {
    return json_array_size(json_object_get(hooks, kinds[kind].name)) > 0;
}

json_t *hooks_state(const hook_subject *s, const char *status) {
    json_t *state = json_pack("{s:s, s:s, s:s, s:s, s:O?}", "ociVersion", OCI_VERSION, "id", s->id, "status", status,
                              "bundle", s->bundle, "annotations", s->annotations);
    if (s->pid > 0)
        json_object_set_new(state, "pid", json_integer(s->pid));
    return state;
}

// The state in a file of its own that is read from its beginning. A pipe would need somebody to fill it while the hook,
// which may not read at all, runs.
static int write_state(hook_kind kind, const hook_subject *s, bh_error *err) {
    cleanup_json json_t *state = hooks_state(s, kinds[kind].status);
    cleanup_free char *text = state ? json_dumps(state, JSON_COMPACT) : NULL;
    cleanup_fd int fd = memfd_create("state", MFD_CLOEXEC);
    // Not json_dumpfd, which writes each word by itself and does not look whether that went well.
    if (!text || fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) < 0)
        return bh_fail(err, errno, "cannot write the container's state for a hook");
    return take_fd(&fd);
}

static _Noreturn void become_hook(const hook *h, const hook_subject *s, int state, int report,
                                  const seccomp_program *filter) {
    static const char *const nothing[] = {NULL};
    const char *const only_path[] = {h->path, NULL};
    bh_error err = {0};
    sigset_t none;
    // `run` waits for its container with every signal blocked; what is blocked stays so over exec.
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    // Where it can be reached, as runc does; from inside the container the bundle may be out of reach.
    if (chdir(s->bundle) < 0 && chdir("/") < 0)
        bh_fail(&err, errno, "cannot go to /");
    else if (dup2(state, STDIN_FILENO) < 0)
        bh_fail(&err, errno, "cannot hand over the state");
    else if (!filter || seccomp_apply(filter, &err) == 0) {
        execve(h->path, (char *const *)(h->args && *h->args ? h->args : only_path),
               (char *const *)(h->env ? h->env : nothing));
        bh_fail(&err, errno, "cannot run it");
    }
    handshake_send_error(report, &err);
    _exit(1);
}

static int wait_for_hook(pid_t pid, int64_t timeout_s, bh_error *err) {
    int status;
    cleanup_fd int process = timeout_s > 0 ? pidfd_open(pid, 0) : -1;
    struct pollfd ended = {.fd = process, .events = POLLIN};
    // No timeout, no watching: waitpid below waits as long as it takes.
    int ready = timeout_s == 0 ? 1 : process < 0 ? -1 : poll(&ended, 1, (int)timeout_s * 1000);
    int code = errno;
    if (ready <= 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return bh_fail(err, errno, "cannot wait for it");
    if (ready < 0) // what has a timeout is not left to run without one
        return bh_fail(err, code, "cannot watch it for its timeout");
    if (ready == 0)
        return bh_fail(err, 0, "still ran after its timeout of %lld s", (long long)timeout_s);
    if (WIFSIGNALED(status))
        return bh_fail(err, 0, "was ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ? 0 : bh_fail(err, 0, "ended with status %d", WEXITSTATUS(status));
}

static int run_hook(const hook *h, hook_kind kind, const hook_subject *s, const seccomp_program *filter,
                    bh_error *err) {
    int ends[2];
    uint64_t start = trace_now();
    cleanup_fd int state = write_state(kind, s, err);
    if (state < 0 || handshake_make(ends, err) < 0)
        return -1;
    pid_t pid = clone_process(0, -1, err);
    if (pid == 0)
        become_hook(h, s, state, ends[1], filter);
    close(ends[1]);
    // The end of file is the exec; until then it says itself what went wrong.
    int result = pid < 0 ? -1 : handshake_wait(ends[0], HANDSHAKE_EXECED, NULL, err);
    close(ends[0]);
    if (pid < 0)
        return -1;
    if (result < 0)
        waitpid(pid, NULL, 0);
    else
        result = wait_for_hook(pid, h->timeout_s, err);
    if (result == 0)
        trace_step("hook", start, "%s %s", kinds[kind].name, h->path);
    return result;
}

// `all`: a failure is a warning.
static int run(const json_t *hooks, hook_kind kind, const hook_subject *s, const seccomp_program *filter, bool all,
               bh_error *err) {
    json_place at = {.object = (json_t *)hooks, .path = "hooks"};
    const char *name = kinds[kind].name;
    json_t *array = NULL;
    int result = json_get_array(&at, name, &array, err);
    for (size_t i = 0; i < json_array_size(array) && result == 0; i++) {
        json_place item;
        hook h = {0};
        bh_error failure = {0};
        result = json_get_element(&at, name, array, i, &item, &failure);
        if (result == 0)
            result = parse_hook(&item, &h, &failure);
        if (result == 0)
            result = run_hook(&h, kind, s, filter, &failure);
        if (result < 0)
            bh_wrap(&failure, "hooks.%s[%zu] %s", name, i, h.path ? h.path : "");
        release_hook(&h);
        if (result < 0 && all) {
            log_warning("%s", failure.message);
            result = 0;
        } else if (result < 0) {
            *err = failure;
        }
    }
    return result;
}

int hooks_run(const json_t *hooks, hook_kind kind, const hook_subject *s, const seccomp_program *filter,
              bh_error *err) {
    return run(hooks, kind, s, filter, false, err);
}

void hooks_run_all(const json_t *hooks, hook_kind kind, const hook_subject *s) {
    bh_error ignored = {0};
    run(hooks, kind, s, NULL, true, &ignored);
}
