// What is remembered of a container: its id, its record, and which process it is.
#include "runtime/state.h"

#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static char root[] = "/tmp/bulkhead-state-XXXXXX";

static int make_root(void **s) {
    (void)s;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **s) {
    (void)s;
    bh_error err;
    return fs_remove_tree(AT_FDCWD, root, &err);
}

static void an_id_is_a_name_and_not_a_path(void **s) {
    (void)s;
    bh_error err;
    char long_id[STATE_ID_MAX + 2];
    static const char *const good[] = {"box", "7d", "a_b+c-d.e"};
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", "-x", ".x", "a b", "a\n", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(state_check_id(good[i], &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(state_check_id(bad[i], &err) < 0);
    memset(long_id, 'a', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    assert_true(state_check_id(long_id, &err) < 0);
    long_id[STATE_ID_MAX] = '\0';
    assert_int_equal(state_check_id(long_id, &err), 0);
}

static void a_container_is_read_back_as_it_was_written(void **s) {
    (void)s;
    bh_error err;
    cleanup_fd int dir = state_make_dir(root, "box", &err);
    assert_true(dir >= 0);
    state written = {.id = "box", .pid = 17, .start_ticks = 1ull << 40, .bundle = "/b", .rootfs = "/b/rootfs"};
    written.annotations = json_pack("{s:s}", "who", "me");
    assert_int_equal(state_save(dir, &written, &err), 0);
    state found = {0};
    assert_int_equal(state_load(dir, "box", &found, &err), 0);
    assert_int_equal(found.pid, 17);
    assert_true(found.start_ticks == 1ull << 40);
    assert_string_equal(found.rootfs, "/b/rootfs");
    assert_string_equal(found.cgroup_path, "");
    assert_true(json_equal(found.annotations, written.annotations));
    assert_null(found.hooks);
    state_free(&written);
    state_free(&found);
    assert_true(state_make_dir(root, "box", &err) < 0);
    assert_non_null(strstr(err.message, "a container named box already exists"));
}

static void a_folder_without_a_record_is_a_container_in_the_making(void **s) {
    (void)s;
    bh_error err;
    cleanup_fd int dir = state_make_dir(root, "early", &err);
    state found;
    assert_int_equal(state_load(dir, "early", &found, &err), 0);
    assert_int_equal(state_status_of(dir, &found), STATE_CREATING);
    assert_int_equal(state_remove_dir(root, "early", &err), 0);
    assert_true(state_open_dir(root, "early", &err) < 0);
    assert_int_equal(err.code, ENOENT);
}

static void a_record_that_is_none_is_refused(void **s) {
    (void)s;
    bh_error err;
    cleanup_fd int dir = state_make_dir(root, "broken", &err);
    state found;
    assert_int_equal(fs_replace(dir, "state.json", "{\"pid\": 1", 0600, &err), 0);
    assert_true(state_load(dir, "broken", &found, &err) < 0);
    assert_non_null(strstr(err.message, "the state of broken cannot be read"));
}

// Pids come back; who they are is told by when they began.
static void a_process_is_known_by_its_start_time_too(void **s) {
    (void)s;
    bh_error err;
    cleanup_fd int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pid_t child = fork();
    if (child == 0)
        _exit(pause());
    state it = {.id = "x", .pid = child, .start_ticks = state_process_start(child)};
    assert_true(it.start_ticks > 0);
    assert_int_equal(state_status_of(dir, &it), STATE_RUNNING);
    cleanup_fd int process = state_open_process(&it, &err);
    assert_true(process >= 0);
    it.start_ticks--;
    assert_int_equal(state_status_of(dir, &it), STATE_STOPPED);
    assert_true(state_open_process(&it, &err) < 0);
    assert_int_equal(err.code, ESRCH);
    it.start_ticks++;
    kill(child, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    assert_int_equal(state_process_start(child), 0); // a zombie is none
    assert_int_equal(state_status_of(dir, &it), STATE_STOPPED);
    waitpid(child, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_a_name_and_not_a_path),
        cmocka_unit_test(a_container_is_read_back_as_it_was_written),
        cmocka_unit_test(a_folder_without_a_record_is_a_container_in_the_making),
        cmocka_unit_test(a_record_that_is_none_is_refused),
        cmocka_unit_test(a_process_is_known_by_its_start_time_too),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
