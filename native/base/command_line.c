// What the kernel was told: see command_line.h.
#include "base/command_line.h"

#include "base/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

bool command_line_find(const char *line, const char *name, char *value, size_t size) {
    size_t length = strlen(name);
    for (const char *word = line + strspn(line, " \n"); *word;) {
        size_t end = strcspn(word, " \n");
        if (end >= length && strncmp(word, name, length) == 0 && (end == length || word[length] == '=')) {
            size_t from = end == length ? length : length + 1;
            snprintf(value, size, "%.*s", (int)(end - from), word + from);
            return true;
        }
        word += end;
        word += strspn(word, " \n");
    }
    return false;
}

bool kernel_parameter(const char *name, char *value, size_t size) {
    char line[2048];
    bh_error ignored;
    return fs_read(AT_FDCWD, "/proc/cmdline", line, sizeof line, &ignored) >= 0 &&
           command_line_find(line, name, value, size);
}
