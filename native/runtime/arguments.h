// The runtime's own command line, which any process can read of any other that it sees (proc_pid_cmdline(5)).
#pragma once

#include "base/error.h"

// Copies argv to where nobody can see it, for later use; returns the copy, or NULL.
char **arguments_copy(int argc, char **argv, bh_error *err);
void arguments_free(char ***copy);
#define cleanup_arguments __attribute__((cleanup(arguments_free)))
// Blanks what others see. In a process that enters a container: paths of the host are not for those in there.
void arguments_hide(void);
