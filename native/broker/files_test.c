// Files under a hostile root: what leads out of it stays in it, and nothing but files is opened.
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/files.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static char directory[] = "/tmp/bulkhead-files-XXXXXX";
static int outside, root;

static void put(int dir, const char *path, const char *text) {
    bh_error err;
    assert_int_equal(fs_replace(dir, path, text, 0640, &err), 0);
}

static int set_up(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    outside = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(outside, "root", 0755), 0);
    root = openat(outside, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(root, "etc", 0755), 0);
    put(outside, "secret", "outside");
    put(root, "etc/note", "0123456789");
    put(root, "secret", "inside");
    assert_int_equal(symlinkat("/secret", root, "absolute"), 0);
    assert_int_equal(symlinkat("../../../../secret", root, "etc/upwards"), 0);
    assert_int_equal(symlinkat("/", root, "top"), 0);
    assert_int_equal(symlinkat("loop", root, "loop"), 0);
    assert_int_equal(mkfifoat(root, "pipe", 0644), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bh_error err;
    close(root);
    close(outside);
    return fs_remove_tree(AT_FDCWD, directory, &err);
}

// What is in the file, as far as it was read; NULL with *err set when it could not be.
static char *content(const char *path, off_t offset, size_t max, bool *more, bh_error *err) {
    json_t *result = NULL;
    if (files_read(root, path, offset, max, &result, err) < 0)
        return NULL;
    const char *text = json_string_value(json_object_get(result, "content"));
    char *bytes = calloc(strlen(text) + 1, 1);
    base64_decode(text, (uint8_t *)bytes);
    *more = json_is_true(json_object_get(result, "more"));
    json_decref(result);
    return bytes;
}

static void assert_content(const char *path, const char *expected) {
    bh_error err = {0};
    bool more = false;
    cleanup_free char *text = content(path, 0, FILE_BYTES_MAX, &more, &err);
    if (!text)
        fail_msg("%s", err.message);
    assert_string_equal(text, expected);
    assert_false(more);
}

static void links_lead_to_places_inside(void **state) {
    (void)state;
    assert_content("/absolute", "inside");
    assert_content("/etc/upwards", "inside");
    assert_content("/../../secret", "inside");
    assert_content("/top/top/etc/../secret", "inside");
}

static void a_part_of_a_file_says_whether_there_is_more(void **state) {
    (void)state;
    static const struct {
        off_t offset;
        size_t max;
        const char *text;
        bool more;
    } parts[] = {
        {0, 4, "0123", true}, {4, 6, "456789", false}, {8, 100, "89", false}, {10, 1, "", false}, {99, 1, "", false}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bh_error err;
        bool more;
        cleanup_free char *text = content("/etc/note", parts[i].offset, parts[i].max, &more, &err);
        assert_string_equal(text, parts[i].text);
        assert_int_equal(more, parts[i].more);
    }
}

static void what_is_no_file_is_refused_and_not_waited_for(void **state) {
    (void)state;
    static const struct {
        const char *path;
        int code;
    } refused[] = {{"/pipe", EINVAL}, {"/etc", EISDIR}, {"/loop", ELOOP}, {"/none", ENOENT}, {"/secret/x", ENOTDIR}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        bh_error err = {0};
        json_t *result;
        assert_int_equal(files_read(root, refused[i].path, 0, 10, &result, &err), -1);
        assert_int_equal(err.code, refused[i].code);
        assert_non_null(strstr(err.message, refused[i].path));
    }
}

static int write_text(const char *path, const char *text, int mode, bh_error *err) {
    return files_write(root, path, (file_bytes){(const uint8_t *)text, strlen(text)}, mode, NULL, err);
}

// NULL: there is to be no file.
static int write_over(const char *path, const char *was, const char *text, bh_error *err) {
    file_bytes expected = {(const uint8_t *)was, was ? strlen(was) : 0};
    return files_write(root, path, (file_bytes){(const uint8_t *)text, strlen(text)}, -1, &expected, err);
}

static void a_write_over_something_else_is_none(void **state) {
    (void)state;
    bh_error err;
    assert_int_equal(write_over("/etc/fresh", NULL, "one", &err), 0);
    static const char *const others[] = {NULL, "", "on", "ones", "two"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(write_over("/etc/fresh", others[i], "mine", &err), -1);
        assert_int_equal(err.code, EEXIST);
        assert_non_null(strstr(err.message, "/etc/fresh is not what it was"));
        assert_content("/etc/fresh", "one");
    }
    assert_int_equal(write_over("/etc/fresh", "one", "", &err), 0);
    assert_int_equal(write_over("/etc/fresh", "", "two", &err), 0);
    assert_content("/etc/fresh", "two");
    assert_int_equal(unlinkat(root, "etc/fresh", 0), 0);
    assert_int_equal(write_over("/etc/fresh", "two", "mine", &err), -1);
    assert_int_equal(err.code, EEXIST);
    json_t *result;
    assert_int_equal(files_list(root, "/etc", &result, &err), 0);
    assert_int_equal(json_array_size(json_object_get(result, "entries")), 2); // and nothing left beside it
    json_decref(result);
}

static void a_write_replaces_all_and_keeps_the_mode(void **state) {
    (void)state;
    bh_error err;
    struct stat info;
    assert_int_equal(write_text("/top/etc/note", "new", -1, &err), 0);
    assert_content("/etc/note", "new");
    assert_int_equal(fstatat(root, "etc/note", &info, 0), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(write_text("/etc/note", "0123456789", 0600, &err), 0);
    assert_int_equal(fstatat(root, "etc/note", &info, 0), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(write_text("/etc/fresh", "", -1, &err), 0);
    assert_content("/etc/fresh", "");
    assert_int_equal(fstatat(root, "etc/fresh", &info, 0), 0);
    assert_int_equal(info.st_mode & 07777, 0644);
    assert_int_equal(unlinkat(root, "etc/fresh", 0), 0);
}

static void a_write_goes_through_no_last_link_and_leaves_nothing(void **state) {
    (void)state;
    static const struct {
        const char *path;
        int code;
    } refused[] = {{"/absolute", ELOOP}, {"/etc", EISDIR},    {"/pipe", EINVAL},     {"/etc/", EINVAL},
                   {"/etc/..", EINVAL},  {"/none/x", ENOENT}, {"/secret/x", ENOTDIR}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        bh_error err = {0};
        assert_int_equal(write_text(refused[i].path, "changed", -1, &err), -1);
        assert_int_equal(err.code, refused[i].code);
    }
    assert_content("/secret", "inside");
    json_t *result;
    bh_error err;
    assert_int_equal(files_list(root, "/etc", &result, &err), 0);
    assert_int_equal(json_array_size(json_object_get(result, "entries")), 2);
    json_decref(result);
}

static void a_listing_is_in_order_and_says_what_each_is(void **state) {
    (void)state;
    static const char *const expected[][2] = {{"absolute", "link"}, {"etc", "directory"}, {"loop", "link"},
                                              {"pipe", "other"},    {"secret", "file"},   {"top", "link"}};
    json_t *result;
    bh_error err;
    assert_int_equal(files_list(root, "/top", &result, &err), 0);
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(result, "entries"), i, entry) {
        assert_string_equal(json_string_value(json_object_get(entry, "name")), expected[i][0]);
        assert_string_equal(json_string_value(json_object_get(entry, "type")), expected[i][1]);
    }
    assert_int_equal(i, 6);
    assert_true(json_is_false(json_object_get(result, "more")));
    json_decref(result);
    assert_int_equal(files_list(root, "/secret", &result, &err), -1);
    assert_int_equal(err.code, ENOTDIR);
}

static void a_long_listing_ends(void **state) {
    (void)state;
    json_t *result;
    bh_error err;
    assert_int_equal(mkdirat(root, "many", 0755), 0);
    cleanup_fd int many = openat(root, "many", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 400; i++) { // of 200 bytes each, more than all names may have
        char name[201];
        snprintf(name, sizeof name, "%0200d", i);
        close(openat(many, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    }
    assert_int_equal(files_list(root, "/many", &result, &err), 0);
    assert_int_equal(json_array_size(json_object_get(result, "entries")), FILE_NAMES_MAX / 200);
    assert_true(json_is_true(json_object_get(result, "more")));
    json_decref(result);
    assert_int_equal(fs_remove_tree(root, "many", &err), 0);
}

// Exchanges a directory and a link that leads up, until it is killed.
static pid_t start_exchanging(void) {
    assert_int_equal(mkdirat(root, "dir", 0755), 0);
    assert_int_equal(symlinkat("../../../..", root, "up"), 0);
    put(root, "dir/victim", "inside");
    put(outside, "victim", "outside");
    pid_t pid = fork();
    if (pid > 0)
        return pid;
    for (;;)
        renameat2(root, "dir", root, "up", RENAME_EXCHANGE);
}

static void a_link_put_in_between_leads_nowhere(void **state) {
    (void)state;
    pid_t exchanger = start_exchanging();
    bh_error err;
    int found = 0;
    for (int i = 0; i < 3000; i++) {
        bool more;
        cleanup_free char *text = content("/dir/victim", 0, 100, &more, &err);
        if (text && strcmp(text, "inside") != 0 && strcmp(text, "new") != 0)
            fail_msg("read \"%s\"", text);
        found += text != NULL;
        if (i % 10 == 0)
            write_text("/dir/victim", "new", -1, &err);
    }
    kill(exchanger, SIGKILL);
    waitpid(exchanger, NULL, 0);
    assert_true(found > 0);
    char text[16];
    assert_true(fs_read(outside, "victim", text, sizeof text, &err) > 0);
    assert_string_equal(text, "outside");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_lead_to_places_inside),
        cmocka_unit_test(a_part_of_a_file_says_whether_there_is_more),
        cmocka_unit_test(what_is_no_file_is_refused_and_not_waited_for),
        cmocka_unit_test(a_write_replaces_all_and_keeps_the_mode),
        cmocka_unit_test(a_write_over_something_else_is_none),
        cmocka_unit_test(a_write_goes_through_no_last_link_and_leaves_nothing),
        cmocka_unit_test(a_listing_is_in_order_and_says_what_each_is),
        cmocka_unit_test(a_long_listing_ends),
        cmocka_unit_test(a_link_put_in_between_leads_nowhere),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
