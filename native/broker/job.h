// Work that takes time, done in a forked child so that it can be written straight down the page: run this, wait,
// read that. The child's result comes back to the loop as JSON. A job dies with the broker (PR_SET_PDEATHSIG): what it
// left half made is found and removed by the next broker.
#pragma once

#include "base/error.h"
#include "base/loop.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct job job;

// Runs in the child. On success it sets *result (or leaves it NULL for an empty object).
typedef int job_body(void *argument, json_t **result, bh_error *err);
// The code of an error that says that the job has died in the middle of its work.
enum { JOB_DIED = ECHILD };
// Runs in the broker, once: `result` (borrowed) or, when it is NULL, what went wrong.
typedef void job_done(void *argument, json_t *result, const bh_error *err);

// Runs in the broker for each job_tell of the job, in their order, before `job_done`. `told` is borrowed.
typedef void job_news(void *argument, json_t *told);

// Forks and runs `body` there. `done` is called from the loop, unless this fails. `argument` is the caller's, in both.
int job_start(loop *l, job_body *body, job_done *done, void *argument, bh_error *err);

// A job that tells how far it is, and that can be interrupted: it then finds job_interrupted() true.
job *job_start_telling(loop *l, job_body *body, job_news *news, job_done *done, void *argument, bh_error *err);
void job_interrupt(job *j);
// In such a job. Steals `told`.
void job_tell(json_t *told);
bool job_interrupted(void);

// Kills every job under way, without a word to whoever waits for it: for the end of the broker.
void jobs_abandon(void);

// The child's half alone, for a caller that waits itself (broker_end_all). Returns the child's pid.
int job_fork(int *result_fd, bh_error *err);
