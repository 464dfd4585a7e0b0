// The runtime's own command line: see arguments.h.
#include "runtime/arguments.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *shown; // argv's strings, one behind the other as execve put them there
static size_t shown_length;

char **arguments_copy(int argc, char **argv, bh_error *err) {
    cleanup_arguments char **copy = calloc((size_t)argc + 1, sizeof *copy);
    for (int i = 0; copy && i < argc; i++)
        if (!(copy[i] = strdup(argv[i])))
            arguments_free(&copy);
    if (!copy) {
        bh_fail(err, ENOMEM, "cannot read the command line");
        return NULL;
    }
    shown = argc > 0 ? argv[0] : NULL;
    shown_length = argc > 0 ? (size_t)(argv[argc - 1] - argv[0]) + strlen(argv[argc - 1]) : 0;
    return take_pointer(copy);
}

void arguments_free(char ***copy) {
    for (char **argument = *copy; argument && *argument; argument++)
        free(*argument);
    free(*copy);
    *copy = NULL;
}

void arguments_hide(void) {
    if (shown)
        memset(shown, 0, shown_length);
}
