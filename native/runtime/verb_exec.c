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
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIST_MAX = 128 };

// An option that may be given again and again.
typedef struct word_list {
    const char *words[LIST_MAX];
    size_t count;
} word_list;

typedef struct exec_arguments {
    exec_options exec;
    const char *process_file, *cwd, *user, *apparmor, *label, *preserve_fds;
    word_list env, groups, capabilities; // K=V; "5" or "5,6"; "CAP_KILL"
    bool tty, detach, no_new_privileges;
    char **command; // NULL-terminated
} exec_arguments;

// Where each option goes: a text, a flag, or a list. In the order in which getopt numbers them.
static const struct {
    const char *name;
    enum { TEXT, FLAG, LIST } kind;
    size_t offset;
    char letter; // the short form; 0: none
} words[] = {
    {"process", TEXT, offsetof(exec_arguments, process_file), 'p'},
    {"tty", FLAG, offsetof(exec_arguments, tty), 't'},
    {"detach", FLAG, offsetof(exec_arguments, detach), 'd'},
    {"pid-file", TEXT, offsetof(exec_arguments, exec.pid_file), 0},
    {"console-socket", TEXT, offsetof(exec_arguments, exec.console_socket), 0},
    {"cwd", TEXT, offsetof(exec_arguments, cwd), 0},
    {"env", LIST, offsetof(exec_arguments, env), 'e'},
    {"user", TEXT, offsetof(exec_arguments, user), 'u'},
    {"additional-gids", LIST, offsetof(exec_arguments, groups), 'g'},
    {"cap", LIST, offsetof(exec_arguments, capabilities), 'c'},
    {"no-new-privs", FLAG, offsetof(exec_arguments, no_new_privileges), 0},
    {"apparmor", TEXT, offsetof(exec_arguments, apparmor), 0},
    {"process-label", TEXT, offsetof(exec_arguments, label), 0},
    {"cgroup", TEXT, offsetof(exec_arguments, exec.cgroup), 0},
    {"preserve-fds", TEXT, offsetof(exec_arguments, preserve_fds), 0},
    {"ignore-paused", FLAG, offsetof(exec_arguments, exec.even_paused), 0},
    {"orphan", FLAG, offsetof(exec_arguments, exec.orphan), 0},
};
enum { WORDS = sizeof words / sizeof *words, FIRST_WORD = 256 };

static int take(exec_arguments *a, int option, bh_error *err) {
    int word = 0;
    while (word < WORDS && option != FIRST_WORD + word && option != words[word].letter)
        word++;
    if (word == WORDS)
        return bh_fail(err, 0, "see bulkhead --help");
    void *field = (char *)a + words[word].offset;
    if (words[word].kind == FLAG) {
        *(bool *)field = true;
    } else if (words[word].kind == TEXT) {
        *(const char **)field = optarg;
    } else {
        word_list *list = field;
        if (list->count == LIST_MAX)
            return bh_fail(err, 0, "more than %d times --%s", LIST_MAX, words[word].name);
        list->words[list->count++] = optarg;
    }
    return 0;
}

static int parse(int argc, char **argv, exec_arguments *a, bh_error *err) {
    struct option options[WORDS + 1] = {{0}};
    char letters[2 * WORDS + 2] = "+";
    for (int i = 0; i < WORDS; i++) {
        int argument = words[i].kind == FLAG ? no_argument : required_argument;
        options[i] = (struct option){words[i].name, argument, NULL, FIRST_WORD + i};
        size_t length = strlen(letters);
        if (words[i].letter)
            snprintf(letters + length, sizeof letters - length, "%c%s", words[i].letter, argument ? ":" : "");
    }
    for (int option; (option = getopt_long(argc, argv, letters, options, NULL)) != -1;)
        if (take(a, option, err) < 0)
            return -1;
    if (a->preserve_fds && descriptors_parse_preserved(a->preserve_fds, &a->exec.preserve_fds, err) < 0)
        return -1;
    if (a->exec.orphan && !a->detach)
        return bh_fail(err, 0, "--orphan needs --detach: nobody outside the container can wait for such a process");
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
    const char **env = calloc(count + a->env.count + 1, sizeof *env);
    if (!env)
        return bh_fail(err, ENOMEM, "cannot set the environment");
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool hidden = false;
        for (size_t added = 0; added < a->env.count; added++)
            hidden |= strncmp(p->env[i], a->env.words[added], strcspn(p->env[i], "=") + 1) == 0;
        if (!hidden)
            env[kept++] = p->env[i];
    }
    memcpy(env + kept, a->env.words, a->env.count * sizeof *env);
    free(p->env);
    p->env = env;
    return 0;
}

// "5" and "5,6", on top of the container's own.
static int add_groups(process_config *p, const word_list *groups, bh_error *err) {
    for (size_t i = 0; i < groups->count; i++) {
        for (const char *at = groups->words[i]; *at; at += *at == ',') {
            char *end;
            errno = 0;
            unsigned long group = strtoul(at, &end, 10);
            if (*at < '0' || *at > '9' || errno || (*end && *end != ',') || group >= UINT32_MAX)
                return bh_fail(err, 0, "--additional-gids %s: wanted group ids", groups->words[i]);
            gid_t *grown = realloc(p->groups, (p->group_count + 1) * sizeof *grown);
            if (!grown)
                return bh_fail(err, ENOMEM, "cannot add a group");
            p->groups = grown;
            p->groups[p->group_count++] = (gid_t)group;
            at = end;
        }
    }
    return 0;
}

// In every set but the ambient one, as runc does: it is the command that gets them, not what it starts.
static int add_capabilities(process_config *p, const word_list *names, bh_error *err) {
    capability_sets *sets = &p->capabilities;
    for (size_t i = 0; i < names->count; i++) {
        int number = capability_number(names->words[i]);
        if (number < 0)
            return bh_fail(err, 0, "--cap %s: there is no such capability", names->words[i]);
        sets->bounding |= 1ull << number;
        sets->effective |= 1ull << number;
        sets->permitted |= 1ull << number;
    }
    return 0;
}

// The command line's wishes, on top of the container's own process or of the one from --process.
static int change_process(process_config *p, const exec_arguments *a, bh_error *err) {
    size_t count = 0;
    while (a->command[count])
        count++;
    if (count > 0) {
        const char **args = calloc(count + 1, sizeof *args);
        if (!args)
            return bh_fail(err, ENOMEM, "cannot set the command");
        memcpy(args, a->command, count * sizeof *args);
        free(p->args);
        p->args = args;
        p->terminal = false;
    }
    p->terminal |= a->tty;
    if (a->cwd)
        p->cwd = a->cwd;
    if (*p->cwd != '/')
        return bh_fail(err, 0, "--cwd %s must be an absolute path", p->cwd);
    p->no_new_privileges |= a->no_new_privileges;
    if (a->apparmor)
        p->apparmor_profile = a->apparmor;
    if (a->label)
        p->selinux_label = a->label;
    if (set_user(p, a->user, err) < 0 || add_groups(p, &a->groups, err) < 0 ||
        add_capabilities(p, &a->capabilities, err) < 0)
        return -1;
    return add_environment(p, a, err);
}

static pid_t start(exec_arguments *a, bh_error *err) {
    config c = {0};
    process_config given = {0};
    json_t *document = NULL;
    pid_t pid = -1;
    if (exec_load_config(&a->exec, &c, err) == 0) {
        int ready = a->process_file ? read_process_file(a->process_file, &given, &document, err) : 0;
        process_config *process = a->process_file ? &given : &c.process;
        if (ready == 0)
            ready = change_process(process, a, err);
        // A process that says nothing of it is one of the container's like any other.
        if (!process->selinux_label)
            process->selinux_label = c.process.selinux_label;
        if (!process->apparmor_profile)
            process->apparmor_profile = c.process.apparmor_profile;
        if (ready == 0)
            ready = capabilities_keep_possible(&process->capabilities, c.namespaces & CLONE_NEWUSER, err);
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
    if (seal_own_binary(s->argv, s->trace_fd, err) < 0)
        return -1;
    a.exec.root = s->root;
    pid_t pid = start(&a, err);
    if (pid < 0)
        return -1;
    // Detached: our exit gives the process to the caller's nearest subreaper, which then can wait for it.
    return a.detach ? 0 : verb_wait(pid, err);
}
