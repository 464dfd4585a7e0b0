// What the attempts are made of. An attempt is a function that tries one way out and says how it went; they are linked
// into one static program (`attempts NAME ARGUMENT…`), so that one file has to be brought into a machine.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct attempt {
    const char *name;
    int (*run)(char **args); // NULL-terminated
} attempt;

// ATTEMPT(name) { … return got(…) or stopped(…); } puts the function on main's list.
#define ATTEMPT(id)                                                                                                    \
    static int try_##id(char **args);                                                                                  \
    static const attempt id##_entry __attribute__((used, section("attempts"), aligned(8))) = {#id, try_##id};          \
    static int try_##id(__attribute__((unused)) char **args)

// "GOT …": the attempt got what it came for.
__attribute__((format(printf, 1, 2))) int got(const char *format, ...);
// "STOPPED what: EPERM": it did not, at this step, for the reason in errno.
int stopped(const char *what);
// "STOPPED …" where no errno says why.
__attribute__((format(printf, 1, 2))) int stopped_because(const char *format, ...);
// Keeps what was taken until whoever started the attempt closes its standard input.
void hold(void);
