// The first shell of a VM that begins as a copy. It is started in the template and stopped where it would print its
// prompt: a copy need not execute what leads there, which under emulation is most of the way from a click to a prompt.
// Whoever opens the first terminal gets it. In a guest only.
#pragma once

#include "broker/state.h"

// What a shell reads that is to be stopped, and from what it is stopped: a FIFO that is at this path while it starts.
state_name first_shell_path(const broker *b);
// Its environment: the ordinary one, and in it what stops it. Lives as long as the process.
const char *const *first_shell_environment(const broker *b);

// In the job that starts it: `watch` before, then, when its monitor has answered, the rest.
int first_shell_watch(const broker *b, bh_error *err);
int first_shell_await(const broker *b, int watch, bh_error *err);

// It waits now, as the program of this terminal, which is hidden until it is given.
int first_shell_keep(struct terminal *t, pid_t program, bh_error *err);
// Answers terminal.open with it. False when there is none, or none that would do: the request is then as it was.
bool first_shell_give(request *r, machine *m);
