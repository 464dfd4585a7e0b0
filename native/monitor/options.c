// The monitor's command line: see options.h.
#include "monitor/options.h"

#include "monitor/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

enum {
    SOCKET = 1,
    SOCKET_UID,
    SOCKET_GID,
    UID,
    GID,
    COLUMNS,
    ROWS,
    RING,
    STATUS_FD,
    CONSOLE_SOCKET,
    PID_FILE,
    ORPHAN,
    MASTER_FD,
    PROGRAM,
    REPLAY,
    REPLAY_FROM,
    RING_LEAST = 4096,
    RING_MOST = 16 * 1024 * 1024,
};

static const struct option known[] = {
    {"socket", required_argument, NULL, SOCKET},
    {"socket-uid", required_argument, NULL, SOCKET_UID},
    {"socket-gid", required_argument, NULL, SOCKET_GID},
    {"uid", required_argument, NULL, UID},
    {"gid", required_argument, NULL, GID},
    {"columns", required_argument, NULL, COLUMNS},
    {"rows", required_argument, NULL, ROWS},
    {"ring", required_argument, NULL, RING},
    {"status-fd", required_argument, NULL, STATUS_FD},
    {"console-socket", required_argument, NULL, CONSOLE_SOCKET},
    {"pid-file", required_argument, NULL, PID_FILE},
    {"orphan", no_argument, NULL, ORPHAN},
    {"master-fd", required_argument, NULL, MASTER_FD},
    {"program", required_argument, NULL, PROGRAM},
    {"replay", required_argument, NULL, REPLAY},
    {"replay-from", required_argument, NULL, REPLAY_FROM},
    {0},
};

// A number in [least, most]; sets *bad to the option's name when it is none, and leaves an earlier complaint alone.
static int64_t number(const char *name, const char *text, int64_t least, int64_t most, const char **bad) {
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        if (!*bad)
            *bad = name;
        return least;
    }
    return value;
}

// Those of a program that this monitor does not start as its child.
static void take_for_orphan(options *o, int which, const char *name, const char *value, const char **bad) {
    switch (which) {
    case ORPHAN:
        o->orphan = true;
        break;
    case MASTER_FD:
        o->master = (int)number(name, value, 0, INT_MAX, bad);
        break;
    case PROGRAM:
        o->program = (pid_t)number(name, value, 2, INT_MAX, bad);
        break;
    case REPLAY:
        o->replay = value;
        break;
    case REPLAY_FROM:
        o->replay_from = (uint64_t)number(name, value, 0, LONG_MAX, bad);
        break;
    }
}

static void take(options *o, int which, const char *name, const char *value, const char **bad) {
    const int64_t id_most = (int64_t)UINT_MAX - 1; // the last one means "none" to the kernel
    switch (which) {
    case SOCKET:
        o->socket = value;
        break;
    case SOCKET_UID:
        o->socket_uid = (uid_t)number(name, value, 0, id_most, bad);
        break;
    case SOCKET_GID:
        o->socket_gid = (gid_t)number(name, value, 0, id_most, bad);
        break;
    case UID:
        o->uid = (uid_t)number(name, value, 0, id_most, bad);
        break;
    case GID:
        o->gid = (gid_t)number(name, value, 0, id_most, bad);
        break;
    case COLUMNS:
        o->size.columns = (uint16_t)number(name, value, 1, UINT16_MAX, bad);
        break;
    case ROWS:
        o->size.rows = (uint16_t)number(name, value, 1, UINT16_MAX, bad);
        break;
    case RING:
        o->ring_bytes = (size_t)number(name, value, RING_LEAST, RING_MOST, bad);
        break;
    case STATUS_FD:
        o->status_fd = (int)number(name, value, 0, INT_MAX, bad);
        break;
    case CONSOLE_SOCKET:
        o->console_socket = value;
        break;
    case PID_FILE:
        o->pid_file = value;
        break;
    default:
        take_for_orphan(o, which, name, value, bad);
    }
}

static int check(const options *o, bh_error *err) {
    if (!o->socket || o->socket_uid == (uid_t)-1 || o->socket_gid == (gid_t)-1)
        return bh_fail(err, 0, "--socket, --socket-uid and --socket-gid are needed");
    if (o->size.columns == 0 || o->size.rows == 0)
        return bh_fail(err, 0, "--columns and --rows are needed");
    if (o->status_fd < 0 || fcntl(o->status_fd, F_GETFD) < 0)
        return bh_fail(err, 0, "--status-fd must name an open file descriptor");
    if ((o->uid == (uid_t)-1) != (o->gid == (gid_t)-1))
        return bh_fail(err, 0, "--uid and --gid go together");
    if (!o->console_socket != !o->pid_file)
        return bh_fail(err, 0, "--console-socket and --pid-file go together");
    if ((o->master < 0) != (o->program == 0))
        return bh_fail(err, 0, "--master-fd and --program go together");
    if (o->master >= 0 && fcntl(o->master, F_GETFD) < 0)
        return bh_fail(err, 0, "--master-fd must name an open file descriptor");
    if (o->orphan && !o->console_socket && o->master < 0)
        return bh_fail(err, 0, "--orphan goes with --console-socket");
    if ((o->master < 0) != (o->command[0] != NULL))
        return bh_fail(err, 0, o->master < 0 ? "no command to run: put it after --" : "--master-fd runs no command");
    return 0;
}

int options_parse(int argc, char **argv, options *o, bh_error *err) {
    *o = (options){.socket_uid = (uid_t)-1,
                   .socket_gid = (gid_t)-1,
                   .uid = (uid_t)-1,
                   .gid = (gid_t)-1,
                   .ring_bytes = TERMINAL_RING,
                   .status_fd = -1,
                   .master = -1};
    const char *bad = NULL;
    optind = 0; // glibc: start anew, also when called again
    opterr = 0;
    int which, index = 0;
    // "+": the command's own options are not ours. ":": a missing value is told from an unknown option.
    while ((which = getopt_long(argc, argv, "+:", known, &index)) != -1) {
        if (which == '?' || which == ':')
            return bh_fail(err, 0, "%s: %s", argv[optind - 1], which == ':' ? "needs a value" : "unknown option");
        take(o, which, known[index].name, optarg, &bad);
    }
    if (bad)
        return bh_fail(err, 0, "--%s: not a number that is allowed there", bad);
    o->command = argv + optind;
    return check(o, err);
}
