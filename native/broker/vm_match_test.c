// Two processes that stand still, as two QEMUs do, and the memory of one made the other's.
#include "broker/vm_match.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants those first
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 200, BYTES = PAGES * 4096 };

// A process whose own copy of `memory` is what it is now.
static pid_t stand_still(void) {
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    return pid;
}

static void end(pid_t pid) {
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_differences_are_found_and_mended(void **state) {
    (void)state;
    unsigned char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    bh_error err;
    memory[5 * 4096] = 1;
    pid_t into = stand_still();
    memory[0] = 2;
    memory[5 * 4096] = 3;
    memory[BYTES - 1] = 4;
    pid_t from = stand_still();
    uint64_t at = (uint64_t)(uintptr_t)memory;
    assert_int_equal(vm_match_range(from, at, into, at, BYTES, &err), 3);
    assert_int_equal(vm_match_range(from, at, into, at, BYTES, &err), 0);
    // Into this process, to see what the other has.
    memset(memory, 0, BYTES);
    assert_int_equal(vm_match_range(into, at, getpid(), at, BYTES, &err), 3);
    assert_int_equal(memory[5 * 4096], 3);
    end(from);
    end(into);
    munmap(memory, BYTES);
}

static void test_a_process_that_is_gone_is_named(void **state) {
    (void)state;
    static char memory[4096] __attribute__((aligned(4096)));
    bh_error err;
    pid_t gone = stand_still();
    end(gone);
    assert_int_equal(
        vm_match_range(gone, (uint64_t)(uintptr_t)memory, getpid(), (uint64_t)(uintptr_t)memory, 4096, &err), -1);
    assert_non_null(strstr(err.message, "cannot read the memory of QEMU"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences_are_found_and_mended),
        cmocka_unit_test(test_a_process_that_is_gone_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
