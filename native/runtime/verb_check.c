// `bulkhead check`: runs the script on standard input where it can see a machine, and nobody there can reach it.
#include "base/cleanup.h"
#include "runtime/check.h"
#include "runtime/exec.h"
#include "runtime/seal.h"
#include "runtime/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

static int parse_user(const char *word, uid_t *user, bh_error *err) {
    char *end;
    errno = 0;
    unsigned long id = strtoul(word, &end, 10);
    // Root's files are what a check is to leave alone, wherever it should get to.
    if (*word < '0' || *word > '9' || *end || errno || id == 0 || id >= UINT32_MAX)
        return bh_fail(err, 0, "--user %s: wanted a uid above 0", word);
    *user = (uid_t)id;
    return 0;
}

static int parse(int argc, char **argv, check_options *o, bh_error *err) {
    static const struct option options[] = {
        {"image", required_argument, NULL, 'i'},
        {"user", required_argument, NULL, 'u'},
        {"cgroup", required_argument, NULL, 'c'},
        {"self", no_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    bool self = false;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (option == 'i')
            o->image = optarg;
        else if (option == 'c')
            o->cgroup = optarg;
        else if (option == 's')
            self = true;
        else if (option != 'u')
            return bh_fail(err, 0, "see bulkhead --help");
        else if (parse_user(optarg, &o->user, err) < 0)
            return -1;
    }
    if (!o->image || *o->image != '/' || o->user == 0)
        return bh_fail(err, 0, "check needs --image DIR, an absolute path, and --user UID");
    if (self)
        return optind == argc ? 0 : bh_fail(err, 0, "check takes --self or a container, not both");
    return (o->id = verb_id(argc, argv, 0, err)) ? 0 : -1;
}

// All of standard input, which then is empty: whatever the script runs would read on in it.
static int read_script(char **script, size_t *length, bh_error *err) {
    char *text = *script = malloc(CHECK_SCRIPT_MAX + 1);
    if (!text)
        return bh_fail(err, ENOMEM, "cannot read the script");
    while (*length <= CHECK_SCRIPT_MAX) {
        ssize_t got = read(STDIN_FILENO, text + *length, CHECK_SCRIPT_MAX + 1 - *length);
        if (got < 0 && errno != EINTR)
            return bh_fail(err, errno, "cannot read the script from standard input");
        if (got == 0)
            break;
        *length += got > 0 ? (size_t)got : 0;
    }
    if (*length < 3 || text[0] != '#' || text[1] != '!')
        return bh_fail(err, 0, "the script on standard input has to begin with #! and an interpreter");
    if (*length > CHECK_SCRIPT_MAX)
        return bh_fail(err, 0, "a script has at most %d bytes", CHECK_SCRIPT_MAX);
    cleanup_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return null < 0 || dup2(null, STDIN_FILENO) < 0 ? bh_fail(err, errno, "cannot open /dev/null") : 0;
}

int verb_check(const settings *s, int argc, char **argv, bh_error *err) {
    check_options o = {.root = s->root};
    cleanup_free char *script = NULL;
    config c = {.personality = -1};
    if (parse(argc, argv, &o, err) < 0 || seal_own_binary(s->argv, s->trace_fd, err) < 0 ||
        read_script(&script, &o.length, err) < 0)
        return -1;
    o.script = script;
    const exec_options container = {.root = o.root, .id = o.id};
    int loaded = o.id ? exec_load_config(&container, &c, err) : 0;
    pid_t pid = loaded < 0 ? -1 : check_process(&o, &c, err);
    config_free(&c);
    return pid < 0 ? -1 : verb_wait(pid, err);
}
