// Keeping a console's log short: see vm_console.h.
#include "broker/vm_console.h"

#include "base/cleanup.h"
#include "broker/utf8.h"
#include "broker/vm_end.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The file grows by appending; when it is full, its second half moves to the front. So it holds at least the last
// 32 KiB, and a flood costs one rewrite for every 32 KiB of it. What a full disk does not take is tried again with what
// comes next: a keeper that gave up would leave QEMU with a console that nobody reads.
_Noreturn void vm_console_keep(int pipe_fd, int log_fd) {
    static char kept[VM_CONSOLE_MAX];
    size_t length = 0, written = 0;
    for (;;) {
        if (length == sizeof kept) {
            length /= 2;
            memmove(kept, kept + length, length);
            // A reader may see both halves the same for a moment, but never more than the maximum.
            ssize_t put = pwrite(log_fd, kept, length, 0);
            written = put > 0 ? (size_t)put : 0;
            if (ftruncate(log_fd, (off_t)written) < 0)
                _exit(1);
        }
        ssize_t got = read(pipe_fd, kept + length, sizeof kept - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            _exit(0);
        length += (size_t)got;
        ssize_t put = pwrite(log_fd, kept + written, length - written, (off_t)written);
        written += put > 0 ? (size_t)put : 0;
    }
}

void vm_console_last_line(const char *dir, char *line, size_t size) {
    char path[512], text[1024];
    snprintf(path, sizeof path, "%s/console.log", dir);
    cleanup_fd int log = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    off_t end = lseek(log, 0, SEEK_END), begin = end > (off_t)sizeof text - 1 ? end - (off_t)sizeof text + 1 : 0;
    ssize_t length = pread(log, text, sizeof text - 1, begin);
    while (length > 0 && strchr("\r\n", text[length - 1]))
        length--;
    text[length > 0 ? length : 0] = '\0';
    const char *newline = strrchr(text, '\n');
    snprintf(line, size, "%s", newline ? newline + 1 : text);
}

// The length of the escape sequence at `at` (ECMA-48: 5.4 control sequences, 5.6 control strings). One that is not
// finished on its line is only its first byte: what follows is text.
static size_t escape_sequence(const char *at, const char *end) {
    const char *byte = at + 1;
    if (byte < end && *byte == '[') {
        for (byte++; byte < end && *byte >= ' ' && *byte <= '?'; byte++)
            continue;
        return byte < end && *byte >= '@' && *byte <= '~' ? (size_t)(byte - at) + 1 : 1;
    }
    if (byte < end && strchr("]PX^_", *byte) && *byte) {
        for (; byte < end && *byte != '\n'; byte++) {
            if (*byte == '\a')
                return (size_t)(byte - at) + 1;
            if (*byte == '\\' && byte[-1] == '\033')
                return (size_t)(byte - at) + 1;
        }
        return 1;
    }
    return byte < end && *byte >= ' ' && *byte <= '~' ? 2 : 1;
}

size_t vm_console_clean(char *text, size_t length) {
    const char *end = text + length;
    size_t kept = 0;
    for (const char *at = text; at < end;) {
        uint8_t byte = (uint8_t)*at;
        // U+0080 to U+009F are controls as well, in two bytes, also where they meet because of what was taken out.
        bool c1 = byte >= 0x80 && byte < 0xA0 && kept > 0 && (uint8_t)text[kept - 1] == 0xC2;
        if (byte == '\033')
            at += escape_sequence(at, end);
        else if (c1)
            kept--, at++;
        else if (byte == '\t')
            text[kept++] = ' ', at++;
        else if ((byte < ' ' && byte != '\n') || byte == 0x7F)
            at++;
        else
            text[kept++] = *at++;
    }
    text[kept] = '\0';
    return kept;
}

void vm_console_read(const char *dir, char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/console.log", dir);
    cleanup_fd int log = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t length = log >= 0 ? pread(log, text, VM_CONSOLE_MAX, 0) : 0;
    vm_console_clean(text, length > 0 ? (size_t)length : 0);
}

// Where the last VM_CONSOLE_LINES lines of the text begin.
static const char *last_lines(const char *text, size_t length) {
    const char *at = text + length;
    int lines = 0;
    while (at > text && (at[-1] != '\n' || ++lines < VM_CONSOLE_LINES))
        at--;
    return at;
}

json_t *vm_console_lines(const char *text) {
    json_t *lines = json_array();
    size_t length = strlen(text);
    while (length > 0 && strchr("\n ", text[length - 1]))
        length--;
    const char *at = last_lines(text, length), *panic = vm_end_panic_at(text);
    for (; panic && panic > text && panic[-1] != '\n'; panic--)
        continue;
    if (panic && panic < at)
        at = panic;
    for (const char *end = text + length; at < end && json_array_size(lines) < VM_CONSOLE_LINES;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t line = (size_t)((newline ? newline : end) - at), shown = line;
        if (shown > VM_CONSOLE_LINE_MAX)
            shown = VM_CONSOLE_LINE_MAX;
        json_array_append_new(lines, utf8_to_json(at, shown));
        at += line + 1;
    }
    return lines;
}
