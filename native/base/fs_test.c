// Paths under a root that may be hostile: whatever the links say, nothing outside is opened or made.
#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char base[64];
static int root;

static int make_tree(void **state) {
    (void)state;
    strcpy(base, "/tmp/bulkhead-fs-XXXXXX");
    bh_error err;
    char path[128];
    if (!mkdtemp(base))
        return -1;
    snprintf(path, sizeof path, "%s/root/etc", base);
    if (fs_make_dirs(path, 0755, &err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/root", base);
    root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return symlinkat("/", root, "up") | symlinkat("../../..", root, "dots") | symlinkat("/etc", root, "absolute") |
           symlinkat("/proc/self/fd", root, "magic");
}

static int remove_tree(void **state) {
    (void)state;
    bh_error err;
    close(root);
    return fs_remove_tree(AT_FDCWD, base, &err);
}

static bool same_place(int fd, const char *path) {
    struct stat a, b;
    char full[128];
    snprintf(full, sizeof full, "%s/root%s", base, path);
    return fstat(fd, &a) == 0 && stat(full, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void links_stay_inside(void **state) {
    (void)state;
    static const char *const paths[][2] = {{"up", ""}, {"dots", ""}, {"absolute", "/etc"}, {"/../../etc", "/etc"}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        bh_error err = {0};
        cleanup_fd int fd = fs_open_in_root(root, paths[i][0], O_PATH, &err);
        assert_true(fd >= 0);
        assert_true(same_place(fd, paths[i][1]));
    }
}

static void directories_and_files_are_made_inside(void **state) {
    (void)state;
    bh_error err = {0};
    cleanup_fd int dir = fs_make_dirs_in_root(root, "/dots/up/a/b", 0755, &err);
    assert_true(dir >= 0 && same_place(dir, "/a/b"));
    cleanup_fd int file = fs_make_file_in_root(root, "/up/a/c/file", &err);
    assert_true(file >= 0 && same_place(file, "/a/c/file"));
    assert_true(fs_make_file_in_root(root, "/a/..", &err) >= 0); // exists: the root
    assert_int_equal(fs_make_file_in_root(root, "/a/b/file/", &err), -1);
}

static void a_small_file_is_replaced_whole(void **state) {
    (void)state;
    bh_error err = {0};
    char text[16];
    cleanup_fd int dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fs_replace(dir, "pid", "12345", 0644, &err), 0);
    assert_int_equal(fs_replace(dir, "pid", "7", 0644, &err), 0);
    assert_int_equal(fs_read(dir, "pid", text, sizeof text, &err), 1);
    assert_string_equal(text, "7");
    assert_int_equal(fs_read(dir, "absent", text, sizeof text, &err), -1);
    assert_int_equal(err.code, ENOENT);
}

static void what_is_not_procfs_is_not_taken_for_it(void **state) {
    (void)state;
    bh_error err = {0};
    cleanup_fd int proc = open("/proc", O_PATH | O_CLOEXEC);
    assert_int_equal(fs_check_magic(proc, PROC_SUPER_MAGIC, "/proc", &err), 0);
    assert_int_equal(fs_check_magic(root, PROC_SUPER_MAGIC, "/proc", &err), -1);
}

static void no_link_is_written_through(void **state) {
    (void)state;
    bh_error err = {0};
    char path[64], text[16];
    cleanup_fd int proc = open("/proc", O_PATH | O_CLOEXEC);
    snprintf(path, sizeof path, "%d/oom_score_adj", getpid());
    assert_true(fs_read(proc, path, text, sizeof text, &err) > 0);
    assert_int_equal(fs_write_below(proc, path, text, &err), 0);
    assert_int_equal(fs_write(proc, "self/oom_score_adj", text, &err), 0);
    assert_int_equal(fs_write_below(proc, "self/oom_score_adj", text, &err), -1);
    assert_int_equal(err.code, ELOOP);
    assert_int_equal(fs_write_below(root, "../file", "x", &err), -1);
    assert_int_equal(err.code, EXDEV);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_stay_inside),
        cmocka_unit_test(directories_and_files_are_made_inside),
        cmocka_unit_test(a_small_file_is_replaced_whole),
        cmocka_unit_test(what_is_not_procfs_is_not_taken_for_it),
        cmocka_unit_test(no_link_is_written_through),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
