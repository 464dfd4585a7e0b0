// Runs one program to its end under a time limit, collecting what it prints. Blocking: for use in a job.
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct process_spec {
    char *const *argv; // argv[0] is the program's path
    char *const *envp; // NULL: an empty environment
    const char *cwd;   // NULL: /
    const char *input; // given on standard input; NULL: /dev/null
    size_t input_length;
    size_t output_max;  // bytes kept of each stream; the rest is read and dropped
    int64_t timeout_ms; // from the start; the program is then killed
    const char *cgroup; // everything in it is killed on a time-out; NULL: only the program is
    bool joins_cgroup;  // the program starts in `cgroup`, rather than putting something there itself
    bool reports;       // fd 3 of the program is a pipe, collected in `report`
} process_spec;

typedef struct process_output {
    char *bytes; // NUL-terminated, NULs within are possible
    size_t length;
} process_output;

typedef struct process_result {
    int exit_status; // 0 when it was killed
    int signal;      // 0 when it exited
    bool timed_out, truncated;
    int64_t duration_us;
    process_output out, error, report;
} process_result;

// Negative when the program could not be started or watched; how it ended, and what it said, is in *result, to be
// freed.
int process_run(const process_spec *spec, process_result *result, bh_error *err);
void process_result_free(process_result *result);
// The runtime's status for what is not to be had (VERB_CANNOT_MOVE): err->code is then ENOTSUP.
enum { PROCESS_UNSUPPORTED = 3 };
// The same, for a program that says nothing when it succeeds: what it complains of is the failure.
int process_run_or_fail(const process_spec *spec, bh_error *err);
// One line for a person of why a program failed: the last line it wrote on standard error, or how it ended.
void process_complaint(const process_result *result, char *text, size_t size);
