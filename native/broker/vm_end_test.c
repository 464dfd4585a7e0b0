// How a VM ended: what is a panic and what only looks like one.
#include "broker/vm_end.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// Wait statuses (wait(2)).
#define EXITED(status) ((status) << 8)
#define NOT_KNOWN (-1)

#define PANIC "[    9.1] Kernel panic - not syncing: sysrq triggered crash\n[    9.2] Call Trace:\n"
#define OFF "bulkheadd: " VM_END_SAYS_POWEROFF "\n"
#define AGAIN "bulkheadd: " VM_END_SAYS_REBOOT "\n"

typedef struct example {
    const char *what;
    vm_end_signs seen;
    end_cause cause;
} example;

static const example examples[] = {
    {"pvpanic", {true, "guest-panic", EXITED(0), false, ""}, END_PANIC},
    {"pvpanic, and QEMU killed right after", {true, "", SIGKILL, true, ""}, END_PANIC},
    {"QEMU's word alone", {false, "guest-panic", EXITED(0), false, ""}, END_PANIC},
    {"a panic that only the console tells", {false, "guest-reset", EXITED(0), false, PANIC}, END_PANIC},
    {"the same, with nobody listening", {false, "", EXITED(0), false, PANIC}, END_PANIC},
    {"the same, found by the next broker", {false, "", NOT_KNOWN, false, PANIC}, END_PANIC},
    {"ACPI power-off, whatever was printed before", {false, "guest-shutdown", EXITED(0), false, PANIC}, END_POWEROFF},
    {"pid 1 asked to power off", {false, "guest-reset", EXITED(0), false, OFF}, END_POWEROFF},
    {"the last word counts", {false, "guest-reset", EXITED(0), false, PANIC OFF}, END_POWEROFF},
    {"a panic on the way to power-off", {false, "guest-reset", EXITED(0), false, OFF PANIC}, END_PANIC},
    {"pid 1 asked to restart", {false, "guest-reset", EXITED(0), false, AGAIN}, END_REBOOT},
    {"a reset by hand", {false, "guest-reset", EXITED(0), false, "login: \n"}, END_REBOOT},
    {"an exit that nobody heard", {false, "", EXITED(0), false, "login: \n"}, END_POWEROFF},
    {"kill -9", {false, "", SIGKILL, false, ""}, END_CRASH},
    {"kill -9 after words of a panic", {false, "", SIGKILL, false, PANIC}, END_CRASH},
    {"kill -TERM", {false, "host-signal", EXITED(0), false, ""}, END_CRASH},
    {"QEMU's own fault", {false, "", SIGABRT, false, ""}, END_CRASH},
    {"QEMU gives up", {false, "", EXITED(1), false, ""}, END_CRASH},
    {"out of memory", {false, "", SIGKILL, true, ""}, END_OOM},
    {"out of memory, found by the next broker", {false, "", NOT_KNOWN, true, ""}, END_OOM},
    {"a crash where something else was out of memory", {false, "", SIGSEGV, true, ""}, END_CRASH},
    {"nothing seen", {false, "", NOT_KNOWN, false, ""}, END_UNKNOWN},
};

static void each_end_is_told_from_the_others(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        end_cause cause = vm_end_cause(&examples[i].seen);
        if (cause != examples[i].cause)
            fail_msg("%s: %s, not %s", examples[i].what, end_cause_name(cause), end_cause_name(examples[i].cause));
    }
}

static void causes_have_names_that_can_be_read_again(void **state) {
    (void)state;
    for (end_cause cause = END_UNKNOWN; cause <= END_OOM; cause++)
        assert_int_equal(end_cause_from(end_cause_name(cause)), cause);
    assert_int_equal(end_cause_from("anything else"), END_UNKNOWN);
    assert_int_equal(end_cause_from(NULL), END_UNKNOWN);
}

static void the_words_of_the_last_panic_are_found(void **state) {
    (void)state;
    char words[32];
    assert_true(vm_end_panic_words("Kernel panic - not syncing: first\n" PANIC, words, sizeof words));
    assert_string_equal(words, "sysrq triggered crash");
    assert_true(vm_end_panic_words("Kernel panic - not syncing: ", words, sizeof words));
    assert_string_equal(words, "");
    assert_true(vm_end_panic_words("Kernel panic - not syncing: \x1b[31mred\x07\n", words, sizeof words));
    assert_string_equal(words, "[31mred");
    assert_true(vm_end_panic_words("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009", words,
                                   sizeof words));
    assert_int_equal(strlen(words), sizeof words - 1);
    assert_false(vm_end_panic_words("Kernel panic - not sync", words, sizeof words));
    assert_string_equal(words, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_is_told_from_the_others),
        cmocka_unit_test(causes_have_names_that_can_be_read_again),
        cmocka_unit_test(the_words_of_the_last_panic_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
