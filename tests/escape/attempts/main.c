// `attempts NAME ARGUMENT…` runs one attempt: see attempt.h. Exit status 0: it worked; 3: it was stopped.
#include "attempt.h"

#include <stdarg.h>

extern const attempt __start_attempts[], __stop_attempts[];

enum { STOPPED = 3, PATIENCE_S = 20 };

static void say(const char *word, const char *format, va_list args) {
    printf("%s ", word);
    vprintf(format, args);
    printf("\n");
    fflush(stdout);
}

int got(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say("GOT", format, args);
    va_end(args);
    return 0;
}

int stopped_because(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say("STOPPED", format, args);
    va_end(args);
    return STOPPED;
}

int stopped(const char *what) {
    return stopped_because("%s: %s", what, strerrorname_np(errno));
}

void hold(void) {
    char byte;
    alarm(0);
    while (read(0, &byte, 1) > 0)
        continue;
}

int main(int argc, char **argv) {
    alarm(PATIENCE_S);
    for (const attempt *a = __start_attempts; argc > 1 && a < __stop_attempts; a++)
        if (strcmp(a->name, argv[1]) == 0)
            return a->run(argv + 2);
    fprintf(stderr, "no such attempt\n");
    return 2;
}
