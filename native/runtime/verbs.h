// The command line: one function a verb. Each gets the arguments after the verb's name and returns an exit status, or
// a negative number with *err set.
#pragma once

#include "base/error.h"
#include "runtime/state.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct settings {
    const char *root; // --root
    int trace_fd;     // --trace-fd; -1 for none
    char **argv;      // all of it, for the runtime to exec itself with
} settings;

int verb_run(const settings *s, int argc, char **argv, bh_error *err);
int verb_create(const settings *s, int argc, char **argv, bh_error *err);
int verb_start(const settings *s, int argc, char **argv, bh_error *err);
int verb_state(const settings *s, int argc, char **argv, bh_error *err);
int verb_kill(const settings *s, int argc, char **argv, bh_error *err);
int verb_delete(const settings *s, int argc, char **argv, bh_error *err);
int verb_exec(const settings *s, int argc, char **argv, bh_error *err);
int verb_check(const settings *s, int argc, char **argv, bh_error *err);
int verb_list(const settings *s, int argc, char **argv, bh_error *err);
int verb_pause(const settings *s, int argc, char **argv, bh_error *err);
int verb_resume(const settings *s, int argc, char **argv, bh_error *err);
int verb_checkpoint(const settings *s, int argc, char **argv, bh_error *err);
int verb_restore(const settings *s, int argc, char **argv, bh_error *err);
int verb_ps(const settings *s, int argc, char **argv, bh_error *err);
int verb_update(const settings *s, int argc, char **argv, bh_error *err);
int verb_events(const settings *s, int argc, char **argv, bh_error *err);
int verb_features(const settings *s, int argc, char **argv, bh_error *err);
int verb_probe(const settings *s, int argc, char **argv, bh_error *err);

// The exit status of `checkpoint` and `restore` when CRIU cannot move what is in the container, or not here: told apart
// from what went wrong, for callers who say so to people.
enum { VERB_CANNOT_MOVE = 3 };
// Prints that failure and returns the status; negative, with *err untouched, for any other.
int verb_tell_cannot_move(const bh_error *err);
// The container id after the options; `more` further arguments may follow. NULL with *err set if it is missing.
const char *verb_id(int argc, char **argv, int more, bh_error *err);
// What --format says.
int verb_format(const char *word, bool *json, bh_error *err);
// `path` as seen from the working directory, absolute. malloc'ed; NULL for NULL.
char *verb_absolute(const char *path);
// Waits for a child in the foreground, passing on the signals that are sent to us. Returns its exit status as a shell
// has it: 128 + N for signal N.
int verb_wait(pid_t pid, bh_error *err);
// Kills what is left of a container, removes its cgroup and its folder, and runs its poststop hooks.
int verb_remove_container(const char *root, const state *container, bh_error *err);
