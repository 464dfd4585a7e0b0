// linux.seccomp to BPF: see seccomp.h. https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
#include "runtime/seccomp.h"
#include "base/cleanup.h"
#include "runtime/json_field.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 6, ERRNO_MAX = 4095 };

static const struct {
    const char *name;
    enum scmp_compare compare;
} operators[] = {
    {"SCMP_CMP_NE", SCMP_CMP_NE},
    {"SCMP_CMP_LT", SCMP_CMP_LT},
    {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_EQ", SCMP_CMP_EQ},
    {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

// `number` is what SCMP_ACT_ERRNO and SCMP_ACT_TRACE return; EPERM where the profile does not say.
static int read_action(const char *name, const char *path, int64_t number, uint32_t *action, bh_error *err) {
    uint32_t data = number < 0 ? EPERM : (uint32_t)number;
    const struct {
        const char *name;
        uint32_t action;
    } actions[] = {
        {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
        {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(data)},
        {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
        {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
        {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(data)},
        {"SCMP_ACT_LOG", SCMP_ACT_LOG},
    };
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(name, actions[i].name) == 0) {
            *action = actions[i].action;
            return 0;
        }
    }
    return bh_fail(err, 0, "%s \"%s\" is not supported", path, name);
}

static int read_arguments(const json_place *rule, struct scmp_arg_cmp *arguments, unsigned *count, bh_error *err) {
    json_t *array = NULL;
    if (json_get_array(rule, "args", &array, err) < 0)
        return -1;
    if (json_array_size(array) > ARGUMENTS_MAX)
        return bh_fail(err, 0, "%s.args has more than %d entries", rule->path, ARGUMENTS_MAX);
    for (*count = 0; *count < json_array_size(array); (*count)++) {
        json_place item;
        int64_t index = -1, value = 0, value_two = 0;
        const char *name = "";
        if (json_get_element(rule, "args", array, *count, &item, err) < 0 ||
            json_get_integer(&item, "index", 0, ARGUMENTS_MAX - 1, &index, err) < 0 ||
            json_get_integer(&item, "value", INT64_MIN, INT64_MAX, &value, err) < 0 ||
            json_get_integer(&item, "valueTwo", INT64_MIN, INT64_MAX, &value_two, err) < 0 ||
            json_get_string(&item, "op", &name, err) < 0)
            return -1;
        enum scmp_compare compare = _SCMP_CMP_MIN;
        for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
            if (strcmp(name, operators[i].name) == 0)
                compare = operators[i].compare;
        if (index < 0 || compare == _SCMP_CMP_MIN)
            return bh_fail(err, 0, "%s needs an index and an op of SCMP_CMP_*", item.path);
        arguments[*count] = (struct scmp_arg_cmp){(unsigned)index, compare, (uint64_t)value, (uint64_t)value_two};
    }
    return 0;
}

// The profile while it is being compiled.
typedef struct compilation {
    scmp_filter_ctx filters[SECCOMP_FILTERS];
    uint32_t default_action;
} compilation;

static int add_rule(const compilation *to, const json_place *rule, bh_error *err) {
    const char **names = NULL, *action_name = "";
    int64_t number = -1;
    uint32_t action = 0;
    struct scmp_arg_cmp arguments[ARGUMENTS_MAX];
    unsigned count = 0;
    if (json_get_string(rule, "action", &action_name, err) < 0 ||
        json_get_integer(rule, "errnoRet", 0, ERRNO_MAX, &number, err) < 0 ||
        read_action(action_name, rule->path, number, &action, err) < 0 ||
        read_arguments(rule, arguments, &count, err) < 0 || json_get_strings(rule, "names", &names, err) < 0)
        return -1;
    int result = 0;
    bool refusal = count > 0 && action != SCMP_ACT_ALLOW && to->default_action != SCMP_ACT_ALLOW;
    scmp_filter_ctx filter = to->filters[refusal ? SECCOMP_REFUSALS : SECCOMP_MAIN];
    // libseccomp does not take a rule that says what happens anyway.
    bool needless = !refusal && action == to->default_action;
    for (const char **name = names; name && *name && result == 0 && !needless; name++) {
        int syscall_number = seccomp_syscall_resolve_name(*name);
        if (syscall_number == __NR_SCMP_ERROR)
            continue; // newer than libseccomp, or of another architecture: the default action holds for it
        int code = seccomp_rule_add_array(filter, action, syscall_number, count, arguments);
        if (code < 0)
            result = bh_fail(err, -code, "%s: cannot add a rule for %s", rule->path, *name);
    }
    free(names);
    return result;
}

static int add_architectures(scmp_filter_ctx filter, const json_place *profile, bh_error *err) {
    const char **names = NULL;
    int result = 0;
    if (json_get_strings(profile, "architectures", &names, err) < 0)
        return -1;
    for (const char **name = names; name && *name && result == 0; name++) {
        char lower[32];
        size_t length = 0;
        const char *prefix = "SCMP_ARCH_";
        bool known = strncmp(*name, prefix, strlen(prefix)) == 0;
        for (const char *c = *name + (known ? strlen(prefix) : 0); *c && length + 1 < sizeof lower; c++)
            lower[length++] = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
        lower[length] = '\0';
        uint32_t token = known ? seccomp_arch_resolve_name(lower) : 0;
        int code = token ? seccomp_arch_add(filter, token) : -EINVAL;
        if (code < 0 && code != -EEXIST)
            result = bh_fail(err, -code, "%s.architectures: cannot add %s", profile->path, *name);
    }
    free(names);
    return result;
}

static int read_flags(const json_place *profile, unsigned *flags, bh_error *err) {
    const char **names = NULL;
    int result = 0;
    if (json_get_strings(profile, "flags", &names, err) < 0)
        return -1;
    for (const char **name = names; name && *name && result == 0; name++) {
        if (strcmp(*name, "SECCOMP_FILTER_FLAG_LOG") == 0)
            *flags |= SECCOMP_FILTER_FLAG_LOG;
        else if (strcmp(*name, "SECCOMP_FILTER_FLAG_SPEC_ALLOW") == 0)
            *flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        else if (strcmp(*name, "SECCOMP_FILTER_FLAG_TSYNC") != 0) // one thread: nothing to synchronise
            result = bh_fail(err, 0, "%s.flags: %s is not supported", profile->path, *name);
    }
    free(names);
    return result;
}

// libseccomp writes a program only to an fd.
static int export_programs(const compilation *from, seccomp_program *program, bh_error *err) {
    cleanup_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return bh_fail(err, errno, "cannot make room for the seccomp program");
    off_t size = 0;
    for (int i = 0; i < SECCOMP_FILTERS; i++) {
        int code = seccomp_export_bpf(from->filters[i], fd);
        off_t end = lseek(fd, 0, SEEK_END);
        if (code < 0)
            return bh_fail(err, -code, "cannot compile linux.seccomp");
        program->lengths[i] = (unsigned short)((size_t)(end - size) / sizeof *program->code);
        size = end;
    }
    program->code = malloc((size_t)size);
    if (!program->code || pread(fd, program->code, (size_t)size, 0) != size)
        return bh_fail(err, errno, "cannot read back the seccomp program");
    return 0;
}

static int set_up(const compilation *to, const json_place *profile, bh_error *err) {
    bool listed = to->default_action == SCMP_ACT_ALLOW; // the profile lists what is refused
    // What another architecture's system calls get: in a list of what is allowed nothing is listed for them.
    seccomp_attr_set(to->filters[SECCOMP_MAIN], SCMP_FLTATR_ACT_BADARCH,
                     listed ? SCMP_ACT_KILL_PROCESS : to->default_action);
    seccomp_attr_set(to->filters[SECCOMP_REFUSALS], SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
    for (int i = 0; i < SECCOMP_FILTERS; i++) {
        // no_new_privs is config.json's to say, not libseccomp's; and a binary tree instead of a list of comparisons:
        // the kernel runs this at every system call.
        seccomp_attr_set(to->filters[i], SCMP_FLTATR_CTL_NNP, 0);
        seccomp_attr_set(to->filters[i], SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (add_architectures(to->filters[i], profile, err) < 0)
            return -1;
    }
    return 0;
}

static int compile(const compilation *to, const json_place *profile, seccomp_program *program, bh_error *err) {
    json_t *rules = NULL;
    if (!to->filters[SECCOMP_REFUSALS] || !to->filters[SECCOMP_MAIN])
        return bh_fail(err, ENOMEM, "cannot compile linux.seccomp");
    if (set_up(to, profile, err) < 0 || json_get_array(profile, "syscalls", &rules, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(rules); i++) {
        json_place rule;
        if (json_get_element(profile, "syscalls", rules, i, &rule, err) < 0 || add_rule(to, &rule, err) < 0)
            return -1;
    }
    return export_programs(to, program, err);
}

int seccomp_compile(const json_t *document, seccomp_program *program, bh_error *err) {
    static const char *const unsupported[] = {"listenerPath", "listenerMetadata", NULL};
    json_place profile = {.object = (json_t *)document, .path = "linux.seccomp"};
    const char *name = "";
    int64_t number = -1;
    compilation to = {0};
    *program = (seccomp_program){0};
    if (json_refuse(&profile, unsupported, err) < 0 || json_get_string(&profile, "defaultAction", &name, err) < 0 ||
        json_get_integer(&profile, "defaultErrnoRet", 0, ERRNO_MAX, &number, err) < 0 ||
        read_action(name, "linux.seccomp.defaultAction", number, &to.default_action, err) < 0 ||
        read_flags(&profile, &program->flags, err) < 0)
        return -1;
    to.filters[SECCOMP_REFUSALS] = seccomp_init(SCMP_ACT_ALLOW);
    to.filters[SECCOMP_MAIN] = seccomp_init(to.default_action);
    int result = compile(&to, &profile, program, err);
    for (int i = 0; i < SECCOMP_FILTERS; i++)
        if (to.filters[i])
            seccomp_release(to.filters[i]);
    return result;
}

int seccomp_apply(const seccomp_program *program, bh_error *err) {
    struct sock_filter *code = program->code;
    // The refusals first, for the main filter need not allow seccomp(2).
    for (int i = 0; code && i < SECCOMP_FILTERS; code += program->lengths[i++]) {
        struct sock_fprog filter = {.len = program->lengths[i], .filter = code};
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, program->flags, &filter) < 0)
            return bh_fail(err, errno, "cannot load the seccomp filter");
    }
    return 0;
}

void seccomp_free(seccomp_program *program) {
    free(program->code);
    *program = (seccomp_program){0};
}
