// Forking and exec'ing with nothing of the monitor's left in the child, and a report when that fails.
#pragma once

#include "base/error.h"

#include <sys/types.h>

// Forks. *report is then a pipe's end: in the parent to read from, in the child to write to.
pid_t child_fork(int *report, bh_error *err);
// In the child: default signals, no descriptor but 0, 1, 2, exec. Returns only when that fails.
void child_exec(char **command, int report);
// In the child: reports errno to the parent and ends.
_Noreturn void child_give_up(int report);
// In the parent: 0 once the child has exec'ed, else its errno.
int child_wait_for_exec(int report);
