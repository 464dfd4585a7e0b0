// `bulkhead exec`: the process to add comes from --process, or is the container's own with what the options change.
#include "base/cleanup.h"
#include "runtime/capabilities.h"
#include "runtime/config_fields.h"
#include "runtime/descriptors.h"
#include "runtime/exec.h"
#include "runtime/json_document.h"
#include "runtime/seal.h"
#include "runtime/trace.h"
#include "runtime/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

enum { ENV_MAX = 128 };

typedef struct exec_arguments {
    exec_options exec;
    const char *process_file, *cwd, *user;
    const char *env[ENV_MAX]; // K=V
    size_t env_count;
    bool tty, detach;
    char **command; // NULL-terminated
} exec_arguments;

static int parse(int argc, char **argv, exec_arguments *a, bh_error *err) {
    static const struct option options[] = {
        {"process", required_argument, NULL, 'p'},
        {"tty", no_argument, NULL, 't'},
        {"detach", no_argument, NULL, 'd'},
        {"pid-file", required_argument, NULL, 'P'},
        {"console-socket", required_argument, NULL, 'c'},
        {"cwd", required_argument, NULL, 'w'},
        {"env", required_argument, NULL, 'e'},
        {"user", required_argument, NULL, 'u'},
        {"cgroup", required_argument, NULL, 'g'},
        {"preserve-fds", required_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "+p:tde:u:", options, NULL)) != -1;) {
        switch (option) {
        case 'p':
            a->process_file = optarg;
            break;
        case 't':
            a->tty = true;
            break;
        case 'd':
            a->detach = true;
            break;
        case 'P':
            a->exec.pid_file = optarg;
            break;
        case 'c':
            a->exec.console_socket = optarg;
            break;
        case 'w':
            a->cwd = optarg;
            break;
        case 'e':
            if (a->env_count == ENV_MAX)
                return bh_fail(err, 0, "more than %d times --env", ENV_MAX);
            a->env[a->env_count++] = optarg;
            break;
        case 'u':
            a->user = optarg;
            break;
        case 'g':
            a->exec.cgroup = optarg;
            break;
        case 'f':
            if (descriptors_parse_preserved(optarg, &a->exec.preserve_fds, err) < 0)
                return -1;
            break;
        default:
            return bh_fail(err, 0, "see bulkhead --help");
        }
    }
    // What follows the id is the command, whatever it looks like.
    a->command = argv + (optind < argc ? optind + 1 : argc);
    if ((a->process_file != NULL) == (*a->command != NULL))
        return bh_fail(err, 0, "exec needs either --process FILE or a command");
    return (a->exec.id = verb_id(optind < argc ? optind + 1 : argc, argv, 0, err)) ? 0 : -1;
}

static int read_process_file(const char *path, process_config *process, json_t **document, bh_error *err) {
    *document = json_read_file(path, err);
    if (!*document)
        return -1;
    json_place at = {.object = *document, .path = "process"};
    if (!json_is_object(*document))
        return bh_fail(err, 0, "%s must hold an object", path);
    return config_check_fields(&at, "process", err) < 0 || config_parse_process(process, &at, err) < 0
               ? bh_wrap(err, "%s", path)
               : 0;
}

static int set_user(process_config *p, const char *user, bh_error *err) {
    char *end;
    if (!user)
        return 0;
    p->uid = (uid_t)strtoul(user, &end, 10);
    if (*end == ':')
        p->gid = (gid_t)strtoul(end + 1, &end, 10);
    if (*user < '0' || *user > '9' || *end)
        return bh_fail(err, 0, "--user %s: wanted a uid, or uid:gid", user);
    return 0;
}

// The container's own environment, then what was added; a later entry hides an earlier one of the same name.
static int add_environment(process_config *p, const exec_arguments *a, bh_error *err) {
    size_t count = 0;
    while (p->env && p->env[count])
        count++;
    const char **env = calloc(count + a->env_count + 1, sizeof *env);
    if (!env)
        return bh_fail(err, ENOMEM, "cannot set the environment");
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool hidden = false;
        for (size_t added = 0; added < a->env_count; added++)
            hidden |= strncmp(p->env[i], a->env[added], strcspn(p->env[i], "=") + 1) == 0;
        if (!hidden)
            env[kept++] = p->env[i];
    }
    memcpy(env + kept, a->env, a->env_count * sizeof *env);
    free(p->env);
    p->env = env;
    return 0;
}

static int change_own_process(process_config *p, const exec_arguments *a, bh_error *err) {
    size_t count = 0;
    while (a->command[count])
        count++;
    const char **args = calloc(count + 1, sizeof *args);
    if (!args)
        return bh_fail(err, ENOMEM, "cannot set the command");
    memcpy(args, a->command, count * sizeof *args);
    free(p->args);
    p->args = args;
    p->terminal = a->tty;
    if (a->cwd)
        p->cwd = a->cwd;
    if (*p->cwd != '/')
        return bh_fail(err, 0, "--cwd %s must be an absolute path", p->cwd);
    return set_user(p, a->user, err) < 0 ? -1 : add_environment(p, a, err);
}

static pid_t start(exec_arguments *a, bh_error *err) {
    config c = {0};
    process_config given = {0};
    json_t *document = NULL;
    pid_t pid = -1;
    if (exec_load_config(&a->exec, &c, err) == 0) {
        int ready = a->process_file ? read_process_file(a->process_file, &given, &document, err)
                                    : change_own_process(&c.process, a, err);
        process_config *process = a->process_file ? &given : &c.process;
        if (a->tty)
            process->terminal = true;
        // A process that says nothing of it is one of the container's like any other.
        if (!process->selinux_label)
            process->selinux_label = c.process.selinux_label;
        if (ready == 0 && !(c.namespaces & CLONE_NEWUSER))
            ready = capabilities_keep_own(&process->capabilities, err);
        if (ready == 0)
            pid = exec_process(&a->exec, &c, process, err);
    }
    config_free_process(&given);
    json_decref(document);
    config_free(&c);
    return pid;
}

int verb_exec(const settings *s, int argc, char **argv, bh_error *err) {
    exec_arguments a = {0};
    if (parse(argc, argv, &a, err) < 0)
        return -1;
    // Always: who is inside already may have made the program to be one that runs the runtime.
    if (seal_own_binary(s->argv, a.exec.preserve_fds, s->trace_fd, err) < 0)
        return -1;
    a.exec.root = s->root;
    pid_t pid = start(&a, err);
    if (pid < 0)
        return -1;
    // Detached: our exit gives the process to the caller's nearest subreaper, which then can wait for it.
    return a.detach ? 0 : verb_wait(pid, err);
}
