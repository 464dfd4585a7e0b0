// config.json's `hooks`: programs that others want run at moments of a container's life, told of it on standard input.
// https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md#posix-platform-hooks
//
//     create:  prestart, createRuntime   by the runtime, once every namespace and mount is there
//              createContainer           by the container's init, a host program in the container's namespaces
//              (pivot_root)
//     start:   startContainer            by the container's init, a program of its image
//              (exec)
//              poststart                 by the runtime
//     delete:  poststop                  by the runtime, once nothing is left
#pragma once

#include "runtime/json_field.h"
#include "runtime/seccomp.h"

#include <stdbool.h>
#include <sys/types.h>

typedef enum hook_kind {
    HOOK_PRESTART,
    HOOK_CREATE_RUNTIME,
    HOOK_CREATE_CONTAINER,
    HOOK_START_CONTAINER,
    HOOK_POSTSTART,
    HOOK_POSTSTOP,
    HOOK_KINDS
} hook_kind;

// What a hook reads of its container.
typedef struct hook_subject {
    const char *id, *bundle;
    pid_t pid; // as the hook sees it; 0: there is none
    json_t *annotations;
} hook_subject;

// The container's state as runtime-spec has it. A new reference.
json_t *hooks_state(const hook_subject *subject, const char *status);
// Checks the whole of `hooks` in the document, so that a typing error is found before anything is made.
int hooks_check(const json_place *hooks, bh_error *err);
const char *hooks_name(hook_kind kind);
bool hooks_any(const json_t *hooks, hook_kind kind);
// Runs all hooks of a kind in their order. The first failure ends it. `filter` (may be NULL) is loaded into each hook:
// a program of the image runs no freer than the container's own.
int hooks_run(const json_t *hooks, hook_kind kind, const hook_subject *subject, const seccomp_program *filter,
              bh_error *err);
// For poststart and poststop, whose failure is a warning on standard error and stops nothing.
void hooks_run_all(const json_t *hooks, hook_kind kind, const hook_subject *subject);
