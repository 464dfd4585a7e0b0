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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_in_the_log),
        cmocka_unit_test(a_flood_leaves_its_last_32_kilobytes_at_least_and_64_at_most),
        cmocka_unit_test(a_log_that_is_not_there_has_no_last_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
