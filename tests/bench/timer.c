// Times commands from outside, as a person with a stopwatch would: the same few lines of C start every one of them.
//   timer ROUNDS GAP_MS SEED < steps > times
// A step is a line of fields with tabs between: group, name, program, arguments. Steps of a group are run in their
// order, groups in another order each round, so that nobody always comes after the same neighbour. With a name of "-" a
// step is run but not told. For each of the others a line: name, round, nanoseconds from just before the start until it
// was waited for, nanoseconds until the payload's first instruction (0 where none ran), exit status.
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STEPS_MAX = 2048, GROUPS_MAX = 1024, FIELDS_MAX = 32 };

typedef struct step {
    char *name, *argv[FIELDS_MAX];
} step;

typedef struct group {
    const char *name;
    size_t first, count;
} group;

static step steps[STEPS_MAX];
static group groups[GROUPS_MAX];
static size_t step_count, group_count;

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void read_steps(void) {
    char *line = NULL;
    size_t room = 0;
    for (ssize_t length; (length = getline(&line, &room, stdin)) > 0;) {
        line[strcspn(line, "\n")] = '\0';
        if (step_count == STEPS_MAX || group_count == GROUPS_MAX) {
            fprintf(stderr, "timer: more than %d steps\n", step_count == STEPS_MAX ? STEPS_MAX : GROUPS_MAX);
            exit(1);
        }
        char *rest = strdup(line), *group_name = strsep(&rest, "\t");
        step *s = &steps[step_count];
        s->name = strsep(&rest, "\t");
        for (size_t i = 0; rest && i + 1 < FIELDS_MAX; i++)
            s->argv[i] = strsep(&rest, "\t");
        if (group_count == 0 || strcmp(groups[group_count - 1].name, group_name) != 0)
            groups[group_count++] = (group){.name = group_name, .first = step_count};
        groups[group_count - 1].count++;
        step_count++;
    }
    free(line);
}

static void shuffle(uint64_t *random) {
    for (size_t i = group_count; i > 1; i--) {
        *random = *random * 6364136223846793005u + 1442695040888963407u; // Knuth's MMIX
        size_t other = (size_t)((*random >> 33) % i);
        group last = groups[i - 1];
        groups[i - 1] = groups[other];
        groups[other] = last;
    }
}

// What the payload wrote of its clock; 0 if it did not run.
static uint64_t payload_time(int from) {
    uint64_t time = 0, latest = 0;
    while (read(from, &time, sizeof time) == (ssize_t)sizeof time)
        latest = time;
    return latest;
}

static uint64_t processor_time(const struct rusage *usage) {
    return ((uint64_t)usage->ru_utime.tv_sec + (uint64_t)usage->ru_stime.tv_sec) * 1000000000u +
           ((uint64_t)usage->ru_utime.tv_usec + (uint64_t)usage->ru_stime.tv_usec) * 1000u;
}

static void run_step(const step *s, int round, int from, const posix_spawn_file_actions_t *actions) {
    int status;
    pid_t pid;
    struct rusage usage;
    extern char **environ;
    uint64_t start = now();
    int code = posix_spawn(&pid, s->argv[0], actions, NULL, s->argv, environ);
    if (code != 0) {
        fprintf(stderr, "timer: cannot run %s: %s\n", s->argv[0], strerror(code));
        exit(1);
    }
    wait4(pid, &status, 0, &usage);
    uint64_t end = now(), began = payload_time(from);
    if (strcmp(s->name, "-") != 0)
        printf("%s\t%d\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%d\n", s->name, round, end - start,
               began ? began - start : 0, processor_time(&usage),
               WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int argc, char **argv) {
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (argc != 4) {
        fprintf(stderr, "usage: timer ROUNDS GAP_MS SEED < steps\n");
        return 2;
    }
    int rounds = atoi(argv[1]);
    long gap_ms = atol(argv[2]);
    uint64_t random = (uint64_t)atoll(argv[3]);
    read_steps();
    // One pipe for all: the read end does not wait, for a container that lives on holds the other.
    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        fail("timer: cannot make a pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    for (int round = 0; round < rounds; round++) {
        shuffle(&random);
        for (size_t g = 0; g < group_count; g++)
            for (size_t i = groups[g].first; i < groups[g].first + groups[g].count; i++) {
                nanosleep(&(struct timespec){.tv_sec = gap_ms / 1000, .tv_nsec = gap_ms % 1000 * 1000000}, NULL);
                run_step(&steps[i], round, ends[0], &actions);
            }
    }
    return 0;
}
