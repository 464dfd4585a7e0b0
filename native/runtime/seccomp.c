// linux.seccomp to BPF: see seccomp.h. https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
#include "runtime/seccomp.h"
#include "base/cleanup.h"
#include "runtime/handshake.h"
#include "runtime/json_field.h"
#include "runtime/seccomp_words.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 6, ERRNO_MAX = 4095 };

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
        enum scmp_compare compare;
        if (seccomp_read_operator(name, item.path, &compare, err) < 0)
            return -1;
        if (index < 0 || !json_object_get(item.object, "value"))
            return bh_fail(err, 0, "%s needs index, value and op", item.path);
        arguments[*count] = (struct scmp_arg_cmp){(unsigned)index, compare, (uint64_t)value, (uint64_t)value_two};
    }
    return 0;
}

// The profile while it is being compiled.
typedef struct compilation {
    scmp_filter_ctx filters[SECCOMP_FILTERS];
    uint32_t default_action;
    bool notifies;
} compilation;

// A rule, as it has been read.
typedef struct syscall_rule {
    const json_place *at;
    const char **names;
    uint32_t action;
    struct scmp_arg_cmp arguments[ARGUMENTS_MAX];
    unsigned count;
} syscall_rule;

// On 32-bit x86 sockets have one system call for all (socketcall(2)), and its arguments lie in memory that no filter
// can read. libseccomp then leaves the condition out of the rule, so that "no sockets of this family" would be "no
// sockets".
static bool shares_a_call(int number) {
    enum { FIRST = -120, LAST = -100 }; // __PNR_* of seccomp-syscalls.h, for what is a part of socketcall
    return number >= FIRST && number <= LAST;
}

static int add_names(scmp_filter_ctx filter, const syscall_rule *r, uint32_t action, bh_error *err) {
    for (const char **name = r->names; *name; name++) {
        int number = seccomp_syscall_resolve_name(*name);
        if (number == __NR_SCMP_ERROR)
            continue; // newer than libseccomp, or of another architecture: the default action holds for it
        if (r->count > 0 && action != SCMP_ACT_ALLOW && shares_a_call(number))
            continue;
        int code = seccomp_rule_add_array(filter, action, number, r->count, r->arguments);
        // The same rule twice says nothing new.
        if (code < 0 && code != -EEXIST)
            return bh_fail(err, -code, "%s: cannot add a rule for %s", r->at->path, *name);
    }
    return 0;
}

// Notifications are in the first filter, allowed by the second: the kernel wants them from one filter only, and gives
// refusals priority over them.
static int add_notification(const compilation *to, const syscall_rule *r, bh_error *err) {
    // What the process needs to hand over the listener, and to load the second filter, before anybody can answer.
    static const char *const needed[] = {"sendmsg", "seccomp"};
    for (const char **name = r->names; *name; name++)
        for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
            if (strcmp(*name, needed[i]) == 0)
                return bh_fail(err, 0, "%s: SCMP_ACT_NOTIFY for %s would keep the container waiting for ever",
                               r->at->path, *name);
    if (add_names(to->filters[SECCOMP_REFUSALS], r, SCMP_ACT_NOTIFY, err) < 0)
        return -1;
    return to->default_action == SCMP_ACT_ALLOW ? 0 : add_names(to->filters[SECCOMP_MAIN], r, SCMP_ACT_ALLOW, err);
}

static int add_read_rule(compilation *to, const syscall_rule *r, bh_error *err) {
    if (!r->names || !*r->names)
        return bh_fail(err, 0, "%s.names is empty", r->at->path);
    if (r->action == SCMP_ACT_NOTIFY) {
        to->notifies = true;
        return add_notification(to, r, err);
    }
    if (r->count > 0 && r->action != SCMP_ACT_ALLOW && to->default_action != SCMP_ACT_ALLOW)
        return add_names(to->filters[SECCOMP_REFUSALS], r, r->action, err);
    // libseccomp does not take a rule that says what happens anyway.
    return r->action == to->default_action ? 0 : add_names(to->filters[SECCOMP_MAIN], r, r->action, err);
}

static int add_rule(compilation *to, const json_place *at, bh_error *err) {
    syscall_rule r = {.at = at};
    const char *action = "";
    int64_t number = -1;
    if (json_get_string(at, "action", &action, err) < 0 ||
        json_get_integer(at, "errnoRet", 0, ERRNO_MAX, &number, err) < 0 ||
        seccomp_read_action(action, at->path, number, &r.action, err) < 0 ||
        read_arguments(at, r.arguments, &r.count, err) < 0 || json_get_strings(at, "names", &r.names, err) < 0)
        return -1;
    int result = add_read_rule(to, &r, err);
    free(r.names);
    return result;
}

static int add_architectures(scmp_filter_ctx filter, const json_place *profile, bh_error *err) {
    const char **names = NULL;
    char where[192];
    int result = 0;
    snprintf(where, sizeof where, "%s.architectures", profile->path);
    if (json_get_strings(profile, "architectures", &names, err) < 0)
        return -1;
    for (const char **name = names; name && *name && result == 0; name++) {
        uint32_t token;
        result = seccomp_read_architecture(*name, where, &token, err);
        int code = result < 0 ? 0 : seccomp_arch_add(filter, token);
        if (code < 0 && code != -EEXIST)
            result = bh_fail(err, -code, "%s: cannot add %s", where, *name);
    }
    free(names);
    return result;
}

static int read_flags(const json_place *profile, unsigned *flags, bh_error *err) {
    const char **names = NULL;
    char where[192];
    int result = 0;
    snprintf(where, sizeof where, "%s.flags", profile->path);
    if (json_get_strings(profile, "flags", &names, err) < 0)
        return -1;
    for (const char **name = names; name && *name && result == 0; name++)
        result = seccomp_read_flag(*name, where, flags, err);
    free(names);
    return result;
}

// libseccomp writes a program only to an fd.
static int export_programs(const compilation *from, seccomp_program *program, bh_error *err) {
    cleanup_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return bh_fail(err, errno, "cannot make room for the seccomp program");
    // One after the other into one file; where each ends is what the file grew by.
    off_t size = 0;
    for (int i = 0; i < SECCOMP_FILTERS; i++) {
        int code = seccomp_export_bpf(from->filters[i], fd);
        off_t end = lseek(fd, 0, SEEK_END);
        if (code < 0)
            return bh_fail(err, -code, "cannot compile linux.seccomp");
        size_t length = (size_t)(end - size) / sizeof *program->code;
        // Not left to the kernel: its count has 16 bits, and cut to them a program may be a shorter one that it takes.
        if (length > BPF_MAXINSNS)
            return bh_fail(err, 0, "linux.seccomp makes a program of %zu instructions, of which the kernel takes %d",
                           length, BPF_MAXINSNS);
        program->lengths[i] = (unsigned short)length;
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

static int compile(compilation *to, const json_place *profile, seccomp_program *program, bh_error *err) {
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

// What goes with a listener, and what does not without.
static int check_listener(const json_place *profile, const seccomp_program *program, bh_error *err) {
    const char *path = NULL, *metadata = NULL;
    if (json_get_string(profile, "listenerPath", &path, err) < 0 ||
        json_get_string(profile, "listenerMetadata", &metadata, err) < 0)
        return -1;
    if (metadata && !path)
        return bh_fail(err, 0, "%s.listenerMetadata needs listenerPath", profile->path);
    if (program->notifies && !path)
        return bh_fail(err, 0, "%s: SCMP_ACT_NOTIFY needs listenerPath, where somebody answers", profile->path);
    if ((program->flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) && !program->notifies)
        return bh_fail(err, 0, "%s.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY", profile->path);
    return 0;
}

int seccomp_compile(const json_t *document, seccomp_program *program, bh_error *err) {
    json_place profile = {.object = (json_t *)document, .path = "linux.seccomp"};
    const char *name = "";
    int64_t number = -1;
    compilation to = {0};
    *program = (seccomp_program){0};
    if (json_get_string(&profile, "defaultAction", &name, err) < 0 ||
        json_get_integer(&profile, "defaultErrnoRet", 0, ERRNO_MAX, &number, err) < 0 ||
        seccomp_read_action(name, "linux.seccomp.defaultAction", number, &to.default_action, err) < 0 ||
        read_flags(&profile, &program->flags, err) < 0)
        return -1;
    if (to.default_action == SCMP_ACT_NOTIFY)
        return bh_fail(err, 0,
                       "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would keep the container waiting for ever");
    to.filters[SECCOMP_REFUSALS] = seccomp_init(SCMP_ACT_ALLOW);
    to.filters[SECCOMP_MAIN] = seccomp_init(to.default_action);
    int result = compile(&to, &profile, program, err);
    for (int i = 0; i < SECCOMP_FILTERS; i++)
        if (to.filters[i])
            seccomp_release(to.filters[i]);
    program->notifies = to.notifies;
    if (result < 0 || check_listener(&profile, program, err) < 0) {
        seccomp_free(program);
        return -1;
    }
    return 0;
}

// Returns what the kernel does: 0, or with SECCOMP_FILTER_FLAG_NEW_LISTENER an fd.
static int load(const seccomp_program *program, int which, unsigned flags, bh_error *err) {
    struct sock_filter *code = program->code + (which == SECCOMP_MAIN ? program->lengths[SECCOMP_REFUSALS] : 0);
    struct sock_fprog filter = {.len = program->lengths[which], .filter = code};
    int result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
    return result < 0 ? bh_fail(err, errno, "cannot load the seccomp filter") : result;
}

int seccomp_listen(seccomp_program *program, int handshake, bh_error *err) {
    if (!program->notifies)
        return 0;
    cleanup_fd int listener = load(program, SECCOMP_REFUSALS, program->flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, err);
    if (listener < 0)
        return -1;
    program->listening = true;
    return handshake_send_file(handshake, HANDSHAKE_LISTENER, listener, err);
}

int seccomp_apply(const seccomp_program *program, bh_error *err) {
    unsigned flags = program->flags & ~(unsigned)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV; // only for a listener's filter
    if (!program->code)
        return 0;
    // The refusals first, for the main filter need not allow seccomp(2).
    if (!program->listening && load(program, SECCOMP_REFUSALS, flags, err) < 0)
        return -1;
    return load(program, SECCOMP_MAIN, flags, err);
}

void seccomp_free(seccomp_program *program) {
    free(program->code);
    *program = (seccomp_program){0};
}
