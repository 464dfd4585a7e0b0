// linux.seccomp: from a profile to two BPF programs that the kernel could load.
#include "base/cleanup.h"
#include "fuzz/fuzz.h"
#include "runtime/json_document.h"
#include "runtime/seccomp.h"

// What the kernel looks at first: the program ends in a return, and no jump leads out of it
// (kernel/seccomp.c, seccomp_check_filter; net/core/filter.c, bpf_check_classic).
static void check_program(const struct sock_filter *code, unsigned length) {
    fuzz_promise(length > 0 && length <= BPF_MAXINSNS);
    fuzz_promise(BPF_CLASS(code[length - 1].code) == BPF_RET);
    for (unsigned i = 0; i < length; i++) {
        if (BPF_CLASS(code[i].code) != BPF_JMP)
            continue;
        unsigned left = length - i - 1;
        if (BPF_OP(code[i].code) == BPF_JA)
            fuzz_promise(code[i].k < left);
        else
            fuzz_promise(code[i].jt < left && code[i].jf < left);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bh_error err = {0}, unread;
    cleanup_json json_t *profile = json_read_text((const char *)data, size, &unread);
    if (!json_is_object(profile))
        return 0;
    seccomp_program program;
    int result = seccomp_compile(profile, &program, &err);
    fuzz_contract(result, &err);
    const struct sock_filter *code = program.code;
    for (int i = 0; result == 0 && i < SECCOMP_FILTERS; code += program.lengths[i++])
        check_program(code, program.lengths[i]);
    seccomp_free(&program);
    return 0;
}
