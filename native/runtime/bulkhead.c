// `bulkhead`: the command line. What each verb does is in verb_*.c; how a container is made, in launch.c and init.c.
#include "runtime/arguments.h"
#include "runtime/config.h"
#include "runtime/descriptors.h"
#include "runtime/log.h"
#include "runtime/seal.h"
#include "runtime/trace.h"
#include "runtime/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(const settings *s, int argc, char **argv, bh_error *err);
    bool starts_processes; // in a container, so our binary comes within its reach
    const char *usage;
} verbs[] = {
    {"run", verb_run, true,
     "[--bundle DIR] [--pid-file FILE] [--console-socket SOCK] [--preserve-fds N] [--no-new-keyring] [--detach] "
     "[--keep] [--explain] ID"},
    {"create", verb_create, true,
     "[--bundle DIR] [--pid-file FILE] [--console-socket SOCK] [--preserve-fds N] [--no-new-keyring] ID"},
    {"start", verb_start, false, "ID"},
    {"state", verb_state, false, "ID"},
    {"kill", verb_kill, false, "[--all] ID [SIGNAL]"},
    {"delete", verb_delete, false, "[--force] ID"},
    {"exec", verb_exec, true,
     "[--tty] [--detach] [--cwd DIR] [--env K=V]… [--user UID[:GID]] [--additional-gids GID]… [--cap CAP_NAME]… "
     "[--no-new-privs] [--pid-file FILE] [--console-socket SOCK] ID COMMAND… | --process FILE ID"},
    {"check", verb_check, true, "--image DIR --user UID [--cgroup PATH] ID | --self"},
    {"list", verb_list, false, "[--quiet] [--format table|json]"},
    {"pause", verb_pause, false, "ID"},
    {"resume", verb_resume, false, "ID"},
    {"checkpoint", verb_checkpoint, false, "[--image-path DIR] [--hold] [--cgroup PATH] [--timeout-ms N] ID"},
    {"restore", verb_restore, false,
     "[--bundle DIR] [--image-path DIR] [--pid-file FILE] [--console-socket SOCK] [--hold] ID"},
    {"ps", verb_ps, false, "[--format table|json] ID"},
    {"update", verb_update, false, "[--resources FILE|-] [--memory BYTES] [--pids-limit N] [--cpu-quota US] … ID"},
    {"events", verb_events, false, "[--stats] [--interval SECONDS] ID"},
    {"features", verb_features, false, ""},
    {"probe", verb_probe, false, "[--json] [--images DIR]"},
};

static void usage(FILE *out) {
    fprintf(out, "bulkhead " BULKHEAD_VERSION ": an OCI runtime. Usage:\n"
                 "  bulkhead [--root DIR] [--log FILE] [--log-format text|json] [--trace-fd N] VERB …\n");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fprintf(out, "    %-8s %s\n", verbs[i].name, verbs[i].usage);
}

// Options before the verb. Returns the index of the verb, 0 when all has been said, or negative.
static int parse(int argc, char **argv, settings *s, bh_error *err) {
    static const struct option options[] = {
        {"root", required_argument, NULL, 'r'},
        {"log", required_argument, NULL, 'l'},
        {"log-format", required_argument, NULL, 'f'},
        {"trace-fd", required_argument, NULL, 't'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"debug", no_argument, NULL, 'd'},
        {"systemd-cgroup", no_argument, NULL, 's'},
        {"rootless", required_argument, NULL, 'R'},
        {NULL, 0, NULL, 0},
    };
    const char *log = NULL;
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, "+vh", options, NULL)) != -1; log_to(log, json)) {
        switch (option) {
        case 'r':
            s->root = optarg;
            break;
        case 'l':
            log = optarg;
            break;
        case 'f':
            json = strcmp(optarg, "json") == 0;
            if (!json && strcmp(optarg, "text") != 0)
                return bh_fail(err, 0, "--log-format is text or json, not \"%s\"", optarg);
            break;
        case 't':
            s->trace_fd = atoi(optarg);
            break;
        case 'd': // every error is told in full anyway
            break;
        case 'v':
            printf("bulkhead version " BULKHEAD_VERSION "\nspec: " OCI_VERSION "\n");
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        case 'R':
            if (strcmp(optarg, "true") == 0)
                return bh_fail(err, 0, "--rootless is not supported: only root can make containers with this runtime");
            break;
        case 's':
            return bh_fail(err, 0, "--systemd-cgroup is not supported: linux.cgroupsPath is a path in the hierarchy");
        default:
            return bh_fail(err, 0, "see bulkhead --help");
        }
    }
    if (optind == argc) {
        usage(stderr);
        return bh_fail(err, 0, "a verb is missing");
    }
    return optind;
}

static int run_verb(int argc, char **argv, settings *s, bh_error *err) {
    int at = parse(argc, argv, s, err);
    if (at <= 0)
        return at;
    if (geteuid() != 0)
        return bh_fail(err, 0, "only root can make containers with this runtime");
    size_t verb = 0;
    while (verb < sizeof verbs / sizeof *verbs && strcmp(argv[at], verbs[verb].name) != 0)
        verb++;
    if (verb == sizeof verbs / sizeof *verbs)
        return bh_fail(err, 0, "there is no verb \"%s\" (see bulkhead --help)", argv[at]);
    if (verbs[verb].starts_processes && seal_forbid_tracing(err) < 0)
        return -1;
    s->argv = argv;
    // Those that start processes do it when they will not exec themselves again (seal.h).
    if (!verbs[verb].starts_processes && descriptors_close_on_exec(err) < 0)
        return -1;
    if (s->trace_fd >= 0 && trace_to(s->trace_fd, err) < 0)
        return -1;
    optind = 1; // getopt starts anew behind the verb
    return verbs[verb].run(s, argc - at, argv + at, err);
}

int main(int argc, char **argv) {
    settings s = {.root = "/run/bulkhead", .trace_fd = -1};
    bh_error err = {0};
    // Freed last: options, --log among them, point into it.
    cleanup_arguments char **copy = arguments_copy(argc, argv, &err);
    int status = copy ? run_verb(argc, copy, &s, &err) : -1;
    if (status < 0) {
        log_error(err.message);
        return 1;
    }
    return status;
}
