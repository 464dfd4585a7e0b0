// Keeping a console's log short: see vm_console.h.
#include "broker/vm_console.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The file grows by appending; when it is full, its second half moves to the front. So it holds at least the last
// 32 KiB, and a flood costs one rewrite for every 32 KiB of it.
_Noreturn void vm_console_keep(int pipe_fd, int log_fd) {
    static char kept[VM_CONSOLE_MAX];
    size_t length = 0;
    for (;;) {
        if (length == sizeof kept) {
            length /= 2;
            memmove(kept, kept + length, length);
            // A reader may see both halves the same for a moment, but never more than the maximum.
            if (pwrite(log_fd, kept, length, 0) != (ssize_t)length || ftruncate(log_fd, (off_t)length) < 0)
                _exit(1);
        }
        ssize_t got = read(pipe_fd, kept + length, sizeof kept - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            _exit(0);
        if (pwrite(log_fd, kept + length, (size_t)got, (off_t)length) != got)
            _exit(1);
        length += (size_t)got;
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
