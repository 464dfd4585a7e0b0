// How long a terminal's monitor is waited for: an emulated machine needs longer than a real one, and is given it.
#include "broker/terminal_monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];
static broker guest;
static bh_error err;

static int set_up(void **state) {
    (void)state;
    strcpy(directory, "/tmp/bh-monitor-XXXXXX");
    assert_non_null(mkdtemp(directory));
    guest.config = (broker_config){.guest = true, .state_dir = directory, .programs_dir = directory};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/bulkhead-monitor", directory);
    unlink(path);
    rmdir(directory);
    return 0;
}

// A monitor that does this and nothing else.
static int start(const char *script, int percent, json_t **opened) {
    char path[128];
    snprintf(path, sizeof path, "%s/bulkhead-monitor", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    assert_int_equal(chmod(path, 0700), 0);
    guest.config.patience_percent = percent;
    terminal_monitor monitor = {
        .broker = &guest,
        .machine = "host",
        .terminal = "t1",
        .columns = 80,
        .rows = 24,
        .direct = true,
        .master = -1,
    };
    return terminal_start_monitor(&monitor, opened, &err);
}

static void waits_as_long_as_the_machine_is_given(void **state) {
    (void)state;
    json_t *opened = NULL;
    assert_int_equal(start("sleep 0.5; echo '{\"monitor\": 7}' >&3", 400, &opened), 0);
    assert_int_equal(json_integer_value(json_object_get(opened, "monitor")), 7);
    json_decref(opened);
}

static void gives_up_what_never_answers(void **state) {
    (void)state;
    json_t *opened = NULL;
    assert_true(start("exec sleep 1000", 1, &opened) < 0);
    assert_string_equal(err.message, "the terminal's monitor does not answer within 150 ms");
}

static void waits_no_longer_for_one_that_ended(void **state) {
    (void)state;
    json_t *opened = NULL;
    assert_true(start("exit 1", 400, &opened) < 0);
    assert_string_equal(err.message, "the terminal's monitor ended without a word");
    json_decref(opened);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_as_long_as_the_machine_is_given),
        cmocka_unit_test(gives_up_what_never_answers),
        cmocka_unit_test(waits_no_longer_for_one_that_ended),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
