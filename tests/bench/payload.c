// What every contender runs: says by the clock when it began, on standard output, and ends; with an argument it stays,
// as the shell of a learner who has gone for a coffee does.
#include <stdint.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct timespec time;
    (void)argv;
    clock_gettime(CLOCK_MONOTONIC, &time);
    uint64_t nanoseconds = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    ssize_t written = write(STDOUT_FILENO, &nanoseconds, sizeof nanoseconds);
    while (argc > 1)
        pause();
    return written == sizeof nanoseconds ? 0 : 1;
}
