// cgroup v2 has no devices controller: a BPF program on the group answers each open and mknod instead.
// https://docs.kernel.org/admin-guide/cgroup-v2.html#device-controller
#include "base/cgroup_backend.h"
#include "base/cleanup.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Instructions of one rule at most; before the rules, and after them.
enum { PER_RULE = 8, AROUND = 6 + 2 };
// Registers: the kernel's answer, its question (r1), and what is unpacked from it.
enum { ANSWER, CONTEXT, TYPE, ACCESS, MAJOR, MINOR, SCRATCH };

typedef struct program {
    struct bpf_insn *code;
    int length;
} program;

static void emit(program *p, uint8_t code, int dst, int src, int16_t off, int32_t imm) {
    p->code[p->length++] = (struct bpf_insn){
        .code = code, .dst_reg = (uint8_t)(dst & 15), .src_reg = (uint8_t)(src & 15), .off = off, .imm = imm};
}

static int32_t access_bits(const char *access) {
    return (strchr(access, 'r') ? BPF_DEVCG_ACC_READ : 0) | (strchr(access, 'w') ? BPF_DEVCG_ACC_WRITE : 0) |
           (strchr(access, 'm') ? BPF_DEVCG_ACC_MKNOD : 0);
}

static void emit_rule(program *p, const cgroup_device *rule) {
    int start = p->length;
    if (rule->type != 'a') {
        emit(p, BPF_JMP | BPF_JNE | BPF_K, TYPE, 0, 0, rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
        int32_t bits = access_bits(rule->access);
        emit(p, BPF_ALU64 | BPF_MOV | BPF_X, SCRATCH, ACCESS, 0, 0);
        // An allowing rule must cover all that is asked for; a denying one applies if it covers any of it.
        emit(p, BPF_ALU64 | BPF_AND | BPF_K, SCRATCH, 0, 0, rule->allow ? ~bits : bits);
        emit(p, BPF_JMP | (rule->allow ? BPF_JNE : BPF_JEQ) | BPF_K, SCRATCH, 0, 0, 0);
        if (rule->major >= 0)
            emit(p, BPF_JMP | BPF_JNE | BPF_K, MAJOR, 0, 0, (int32_t)rule->major);
        if (rule->minor >= 0)
            emit(p, BPF_JMP | BPF_JNE | BPF_K, MINOR, 0, 0, (int32_t)rule->minor);
    }
    emit(p, BPF_ALU64 | BPF_MOV | BPF_K, ANSWER, 0, 0, rule->allow);
    emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    // Every conditional jump of this rule leads behind it.
    for (int i = start; i < p->length; i++)
        if (BPF_CLASS(p->code[i].code) == BPF_JMP && BPF_OP(p->code[i].code) != BPF_EXIT)
            p->code[i].off = (int16_t)(p->length - i - 1);
}

static int bpf(enum bpf_cmd command, union bpf_attr *attr) {
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static uint64_t address(const void *pointer) {
    return (uint64_t)(uintptr_t)pointer;
}

int cgroup2_allow_devices(const char *path, const cgroup_device *rules, size_t count, bh_error *err) {
    if (count == 0)
        return 0;
    cleanup_free struct bpf_insn *code = calloc(count * PER_RULE + AROUND, sizeof *code);
    if (!code)
        return bh_fail(err, ENOMEM, "cannot make the device rules of cgroup %s", path);
    program p = {.code = code};
    // struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor.
    emit(&p, BPF_LDX | BPF_MEM | BPF_W, TYPE, CONTEXT, 0, 0);
    emit(&p, BPF_ALU64 | BPF_MOV | BPF_X, ACCESS, TYPE, 0, 0);
    emit(&p, BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
    emit(&p, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
    emit(&p, BPF_LDX | BPF_MEM | BPF_W, MAJOR, CONTEXT, 4, 0);
    emit(&p, BPF_LDX | BPF_MEM | BPF_W, MINOR, CONTEXT, 8, 0);
    // Later rules win, and the first to answer ends the program: so from the last to the first.
    bool decided = false;
    for (size_t i = count; i-- > 0 && !decided;) {
        emit_rule(&p, &rules[i]);
        decided = rules[i].type == 'a'; // what came after it would never be reached, which the verifier refuses
    }
    if (!decided) {
        emit(&p, BPF_ALU64 | BPF_MOV | BPF_K, ANSWER, 0, 0, 1);
        emit(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }

    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE};
    load.insns = address(code);
    load.insn_cnt = (uint32_t)p.length;
    load.license = address("Apache-2.0");
    cleanup_fd int loaded = bpf(BPF_PROG_LOAD, &load);
    if (loaded < 0)
        return bh_fail(err, errno, "cannot load the device rules of cgroup %s", path);
    cleanup_fd int group = cgroup2_backend.open(path, err);
    if (group < 0)
        return -1;
    union bpf_attr attach = {.attach_type = BPF_CGROUP_DEVICE};
    attach.target_fd = (uint32_t)group;
    attach.attach_bpf_fd = (uint32_t)loaded;
    attach.attach_flags = BPF_F_ALLOW_MULTI; // a group below this one may narrow it further
    if (bpf(BPF_PROG_ATTACH, &attach) < 0)
        return bh_fail(err, errno, "cannot attach the device rules to cgroup %s", path);
    return 0;
}
