// bulkheadd: the broker, the only privileged process of Bulkhead. On a host it serves the control socket; as pid 1 of a
// VM it is the guest's init and serves the link (guest/). `bulkheadd --help` lists the options.
#include "base/cleanup.h"
#include "base/loop.h"
#include "broker/broker.h"
#include "broker/control.h"
#include "broker/log.h"
#include "broker/preflight.h"
#include "broker/probe.h"
#include "guest/guest.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

static const char usage[] = "usage: bulkheadd [OPTION]...            serve <state>/run/control.sock\n"
                            "       bulkheadd vm-probe [OPTION]...   find out how VMs run here, print it as JSON\n"
                            "\n"
                            "  --state DIR         where everything is kept (/var/lib/bulkhead; at most 39 bytes)\n"
                            "  --images DIR        what machines start from (<state>/images)\n"
                            "  --programs DIR      where bulkhead and bulkhead-monitor are (beside this program)\n"
                            "  --cgroup NAME       the control group above all machines (bulkhead)\n"
                            "  --allow-uid N       who may use the control socket, besides root\n"
                            "  --server-gid N      group of the control socket and of attach sockets\n"
                            "  --id-base N         first user id of the first container (1342177280)\n"
                            "  --accel WISH        auto, kvm or tcg (auto)\n"
                            "  --nesting WHERE     host or vm: where `nested` containers may be made (host)\n"
                            "  --max-machines N    0 to 4095 (0: one for each 32 MiB of memory, at least 64)\n"
                            "  --log-level LEVEL   error, warn, info or debug (info)\n"
                            "  --stop-on-eof       end, with every machine, when standard input ends\n"
                            "  --keep-machines     when asked to end, leave all machines to the next broker\n"
                            "  --help\n";

typedef struct options {
    broker_config config;
    bool stop_on_eof, keep_machines;
    char images[PATH_MAX], programs[PATH_MAX];
} options;

static int parse_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *number,
                        bh_error *err) {
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || parsed < least || parsed > most)
        return bh_fail(err, 0, "--%s %s: must be a number from %lld to %lld", option, text, (long long)least,
                       (long long)most);
    *number = parsed;
    return 0;
}

static int one_of(const char *option, const char *text, const char *first, const char *second, const char *third,
                  bh_error *err) {
    if (strcmp(text, first) == 0 || strcmp(text, second) == 0 || (third && strcmp(text, third) == 0))
        return 0;
    return bh_fail(err, 0, "--%s %s: must be %s%s%s or %s", option, text, first, third ? ", " : "", third ? second : "",
                   third ? third : second);
}

// One or more path components of letters, digits, -, _ and ., none of them made of dots only: a cgroup below the root.
static bool is_cgroup_name(const char *text) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
    return *text && strlen(text) <= 64 && text[strspn(text, allowed)] == '\0' && text[0] != '/' && text[0] != '.' &&
           !strstr(text, "//") && !strstr(text, "/.") && text[strlen(text) - 1] != '/';
}

enum {
    STATE,
    IMAGES,
    PROGRAMS,
    CGROUP,
    ALLOW_UID,
    SERVER_GID,
    ID_BASE,
    ACCEL,
    NESTING,
    MACHINES,
    LOG,
    STOP,
    KEEP,
    HELP
};

static const struct option long_options[] = {
    {"state", required_argument, NULL, STATE},
    {"images", required_argument, NULL, IMAGES},
    {"programs", required_argument, NULL, PROGRAMS},
    {"cgroup", required_argument, NULL, CGROUP},
    {"allow-uid", required_argument, NULL, ALLOW_UID},
    {"server-gid", required_argument, NULL, SERVER_GID},
    {"id-base", required_argument, NULL, ID_BASE},
    {"accel", required_argument, NULL, ACCEL},
    {"nesting", required_argument, NULL, NESTING},
    {"max-machines", required_argument, NULL, MACHINES},
    {"log-level", required_argument, NULL, LOG},
    {"stop-on-eof", no_argument, NULL, STOP},
    {"keep-machines", no_argument, NULL, KEEP},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

// Numbers, and words from a list.
static int take_value(options *o, int which, const char *value, bh_error *err) {
    broker_config *c = &o->config;
    const char *option = long_options[which].name;
    int64_t number = 0;
    log_level level;
    int outcome = 0;
    switch (which) {
    case ALLOW_UID:
        outcome = parse_number(option, value, 0, UINT32_MAX - 1, &number, err);
        c->server_uid = (uid_t)number;
        return outcome;
    case SERVER_GID:
        outcome = parse_number(option, value, 0, UINT32_MAX - 1, &number, err);
        c->server_gid = (gid_t)number;
        return outcome;
    case ID_BASE: // room below it for the service ids, and above for at least one range
        outcome = parse_number(option, value, 2 * 65536, 0xFFFE0000, &number, err);
        c->id_base = (uid_t)number;
        return outcome;
    case MACHINES:
        outcome = parse_number(option, value, 0, 4095, &number, err);
        c->max_machines = (int)number;
        return outcome;
    case ACCEL:
        c->accel = value;
        return one_of(option, value, "auto", "kvm", "tcg", err);
    case NESTING:
        c->nesting = value;
        return one_of(option, value, "host", "vm", NULL, err);
    case LOG:
        if (log_level_named(value, &level) < 0)
            return bh_fail(err, 0, "--%s %s: must be error, warn, info or debug", option, value);
        log_set_level(level);
        return 0;
    default:
        return bh_fail(err, 0, "unknown option; see bulkheadd --help");
    }
}

static int take_option(options *o, int which, char *value, bh_error *err) {
    switch (which) {
    case STATE:
        o->config.state_dir = value;
        return 0;
    case IMAGES:
        o->config.images_dir = value;
        return 0;
    case PROGRAMS:
        o->config.programs_dir = value;
        return 0;
    case CGROUP:
        o->config.cgroup_parent = value;
        if (!is_cgroup_name(value))
            return bh_fail(err, 0, "--cgroup %s: must be a name like bulkhead or slice/bulkhead", value);
        return 0;
    case STOP:
        o->stop_on_eof = true;
        return 0;
    case KEEP:
        o->keep_machines = true;
        return 0;
    default:
        return take_value(o, which, value, err);
    }
}

static int fill_in_defaults(options *o, bh_error *err) {
    if (!o->config.images_dir) {
        snprintf(o->images, sizeof o->images, "%s/images", o->config.state_dir);
        o->config.images_dir = o->images;
    }
    if (o->config.programs_dir)
        return 0;
    ssize_t length = readlink("/proc/self/exe", o->programs, sizeof o->programs - 1);
    if (length < 0)
        return bh_fail(err, errno, "cannot tell where this program is (is /proc mounted?); use --programs");
    o->programs[length] = '\0';
    *strrchr(o->programs, '/') = '\0';
    o->config.programs_dir = o->programs;
    return 0;
}

static int parse_options(int argc, char *argv[], options *o, bh_error *err) {
    o->config = (broker_config){
        .state_dir = "/var/lib/bulkhead",
        .cgroup_parent = "bulkhead",
        .id_base = 1342177280,
        .accel = "auto",
        .nesting = "host",
    };
    opterr = 0;
    for (int which; (which = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
        if (which == HELP) {
            fputs(usage, stdout);
            exit(0);
        }
        if (which == ':')
            return bh_fail(err, 0, "%s wants a value; see bulkheadd --help", argv[optind - 1]);
        if (which == '?')
            return bh_fail(err, 0, "unknown option %s; see bulkheadd --help", argv[optind - 1]);
        if (take_option(o, which, optarg, err) < 0)
            return -1;
    }
    if (optind < argc)
        return bh_fail(err, 0, "unknown argument %s; see bulkheadd --help", argv[optind]);
    return fill_in_defaults(o, err);
}

// What asks the broker to stop: SIGTERM, SIGINT, or the end of standard input.
typedef struct stopping {
    loop_source signals, input;
    loop *loop;
} stopping;

static void signal_ready(loop_source *source, uint32_t events) {
    (void)events;
    stopping *s = (stopping *)((char *)source - offsetof(stopping, signals));
    struct signalfd_siginfo info;
    if (read(source->fd, &info, sizeof info) > 0)
        loop_stop(s->loop);
}

static void input_ready(loop_source *source, uint32_t events) {
    (void)events;
    stopping *s = (stopping *)((char *)source - offsetof(stopping, input));
    char ignored[512];
    ssize_t got = read(source->fd, ignored, sizeof ignored);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        loop_stop(s->loop);
}

static int watch_for_stop(stopping *s, bool stop_on_eof, bh_error *err) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    s->signals = (loop_source){signalfd(-1, &set, SFD_CLOEXEC), signal_ready};
    s->input = (loop_source){STDIN_FILENO, input_ready};
    if (s->signals.fd < 0 || loop_add(s->loop, &s->signals, EPOLLIN, err) < 0)
        return s->signals.fd < 0 ? bh_fail(err, errno, "cannot watch for signals") : -1;
    if (stop_on_eof && loop_add(s->loop, &s->input, EPOLLIN, err) < 0)
        return bh_wrap(err, "--stop-on-eof needs a pipe or a terminal as standard input");
    return 0;
}

// Every machine and every terminal is watched through a pidfd: more than the usual 1,024 of them in all.
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int serve(const options *o, bh_error *err) {
    raise_descriptor_limit();
    if (preflight(&o->config, err) < 0)
        return -1;
    cleanup_fd int lock = preflight_lock(&o->config, err);
    loop *l = lock < 0 ? NULL : loop_new(err);
    broker *b = l ? broker_new(&o->config, l, err) : NULL;
    control *c = b ? control_listen(b, err) : NULL;
    stopping s = {.loop = l};
    if (!c || watch_for_stop(&s, o->stop_on_eof, err) < 0)
        return -1; // the process ends: the kernel closes what was opened
    log_info("ready: %s/run/control.sock", o->config.state_dir);
    int outcome = loop_run(l, err);
    // Nobody may ask for another machine while the last ones are ended.
    control_close(c);
    if (outcome == 0 && !o->keep_machines)
        outcome = broker_end_all(b, err);
    broker_free(b);
    loop_free(l);
    return outcome;
}

static int probe_vm(const options *o, bh_error *err) {
    char image_dir[PATH_MAX + 4];
    snprintf(image_dir, sizeof image_dir, "%s/vm", o->config.images_dir);
    vm_accel found;
    if (vm_find_accel(o->config.state_dir, image_dir, o->config.accel, &found, err) < 0)
        return -1;
    cleanup_json json_t *finding = accel_to_json(&found);
    if (json_dumpf(finding, stdout, JSON_COMPACT) < 0 || puts("") < 0 || fflush(stdout) != 0)
        return bh_fail(err, errno, "cannot print the finding");
    return 0;
}

int main(int argc, char *argv[]) {
    if (getpid() == 1)
        guest_main();
    bool probing = argc > 1 && strcmp(argv[1], "vm-probe") == 0;
    static options o;
    bh_error err;
    int outcome = parse_options(argc - probing, argv + probing, &o, &err);
    if (outcome == 0)
        outcome = probing ? probe_vm(&o, &err) : serve(&o, &err);
    if (outcome == 0)
        return 0;
    log_error("%s", err.message);
    return 1;
}
