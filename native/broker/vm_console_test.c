// The log of a serial console: short whatever is printed, and always the end of it.
#include "broker/vm_console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct console {
    char dir[32];
    int log, pipe;
    pid_t keeper;
} console;

static console begin(void) {
    console c = {.dir = "/tmp/bulkhead-console-XXXXXX"};
    assert_non_null(mkdtemp(c.dir));
    char path[64];
    snprintf(path, sizeof path, "%s/console.log", c.dir);
    FILE *log = fopen(path, "w+e");
    assert_non_null(log);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    c.keeper = fork();
    if (c.keeper == 0) {
        close(ends[1]);
        vm_console_keep(ends[0], fileno(log));
    }
    close(ends[0]);
    c.pipe = ends[1];
    c.log = dup(fileno(log));
    fclose(log);
    return c;
}

static void print_lines(const console *c, int from, int to) {
    for (int i = from; i < to; i++)
        assert_true(dprintf(c->pipe, "line %d\r\n", i) > 0);
}

static void end(console *c) {
    int status;
    close(c->pipe);
    assert_int_equal(waitpid(c->keeper, &status, 0), c->keeper);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void clean_up(console *c) {
    char path[64];
    snprintf(path, sizeof path, "%s/console.log", c->dir);
    close(c->log);
    unlink(path);
    rmdir(c->dir);
}

static void what_is_printed_is_in_the_log(void **state) {
    (void)state;
    console c = begin();
    print_lines(&c, 0, 2);
    end(&c);
    char text[64] = "", line[64];
    assert_int_equal(pread(c.log, text, sizeof text - 1, 0), 16);
    assert_string_equal(text, "line 0\r\nline 1\r\n");
    vm_console_last_line(c.dir, line, sizeof line);
    assert_string_equal(line, "line 1");
    clean_up(&c);
}

static void a_flood_leaves_its_last_32_kilobytes_at_least_and_64_at_most(void **state) {
    (void)state;
    console c = begin();
    print_lines(&c, 100000, 130000); // 13 bytes each
    end(&c);
    struct stat info;
    assert_int_equal(fstat(c.log, &info), 0);
    assert_in_range(info.st_size, VM_CONSOLE_MAX / 2, VM_CONSOLE_MAX);
    // No gap and no repetition: the file is the end of what was printed, byte for byte.
    char *kept = malloc((size_t)info.st_size);
    assert_non_null(kept);
    assert_int_equal(pread(c.log, kept, (size_t)info.st_size, 0), info.st_size);
    for (off_t i = 0; i < info.st_size; i++) {
        long at = 30000L * 13 - info.st_size + i;
        char line[16];
        snprintf(line, sizeof line, "line %ld\r\n", 100000 + at / 13);
        assert_int_equal(kept[i], line[at % 13]);
    }
    free(kept);
    clean_up(&c);
}

static void a_log_that_is_not_there_has_no_last_line(void **state) {
    (void)state;
    char line[64] = "something";
    vm_console_last_line("/nonexistent", line, sizeof line);
    assert_string_equal(line, "");
}

static void check_clean(const char *dirty, size_t length, const char *clean) {
    char text[256];
    memcpy(text, dirty, length);
    assert_int_equal(vm_console_clean(text, length), strlen(clean));
    assert_string_equal(text, clean);
}
#define CLEAN(dirty, clean) check_clean(dirty, sizeof dirty - 1, clean)

static void nothing_that_a_terminal_would_obey_is_left(void **state) {
    (void)state;
    CLEAN("a\r\nb\tc", "a\nb c");
    CLEAN("\x1b[1;31mred\x1b[0m\x1b[2J", "red");
    CLEAN("\x1b]0;a title\ahello\x1b]52;c;AAAA\x1b\\!", "hello!");
    CLEAN("\x1b(Bx\x1bPdevice\x1b\\y", "Bxy");
    CLEAN("a\0b\x7f\x08"
          "c",
          "abc");
    CLEAN("\xc2\x9b"
          "31m\xc3\xa9",
          "31m\xc3\xa9"); // CSI in its eight-bit form, and a letter that begins alike
    CLEAN("\xc2\x03\x8c"
          "a\xc2\xc2\x8c\x9b"
          "b",
          "ab"); // two that meet when what stood between them has gone
    // Cut off in the middle, by the end or by a line's: what follows is text.
    CLEAN("x\x1b", "x");
    CLEAN("x\x1b[12", "x[12");
    CLEAN("x\x1b]0;title\nKernel panic", "x]0;title\nKernel panic");
    CLEAN("\xc2", "\xc2");
    CLEAN("", "");
}

static json_t *lines_of(int count, const char *first) {
    static char text[VM_CONSOLE_MAX + 1];
    size_t length = (size_t)snprintf(text, sizeof text, "%s", first);
    for (int i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "line %d\n", i);
    return vm_console_lines(text);
}

static const char *line_at(json_t *lines, size_t i) {
    return json_string_value(json_array_get(lines, i));
}

static void the_last_lines_are_kept_or_those_from_a_panic_on(void **state) {
    (void)state;
    json_t *few = lines_of(3, ""), *many = lines_of(100, ""),
           *panic = lines_of(100, "a\nKernel panic - not syncing: b\n");
    assert_int_equal(json_array_size(few), 3);
    assert_string_equal(line_at(few, 0), "line 0");
    assert_int_equal(json_array_size(many), VM_CONSOLE_LINES);
    assert_string_equal(line_at(many, 0), "line 60");
    assert_string_equal(line_at(many, VM_CONSOLE_LINES - 1), "line 99");
    assert_int_equal(json_array_size(panic), VM_CONSOLE_LINES);
    assert_string_equal(line_at(panic, 0), "Kernel panic - not syncing: b");
    json_decref(few);
    json_decref(many);
    json_decref(panic);

    char wide[1000];
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    json_t *one = vm_console_lines(wide), *none = vm_console_lines(""), *blank = vm_console_lines("\n\n \n");
    assert_int_equal(strlen(line_at(one, 0)), VM_CONSOLE_LINE_MAX);
    assert_int_equal(json_array_size(none), 0);
    assert_int_equal(json_array_size(blank), 0);
    json_decref(one);
    json_decref(none);
    json_decref(blank);
    json_t *bytes = vm_console_lines("not \xff UTF-8");
    assert_string_equal(line_at(bytes, 0), "not \xEF\xBF\xBD UTF-8");
    json_decref(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_in_the_log),
        cmocka_unit_test(a_flood_leaves_its_last_32_kilobytes_at_least_and_64_at_most),
        cmocka_unit_test(a_log_that_is_not_there_has_no_last_line),
        cmocka_unit_test(nothing_that_a_terminal_would_obey_is_left),
        cmocka_unit_test(the_last_lines_are_kept_or_those_from_a_panic_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
