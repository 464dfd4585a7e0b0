// Files in which the kernel says one thing: see sysfile.h.
#include "probe/sysfile.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

bool sysfile_text(const char *path, char *text, size_t size) {
    bh_error missing;
    text[0] = '\0';
    if (fs_read(AT_FDCWD, path, text, size, &missing) >= 0)
        return true;
    text[0] = '\0';
    return false;
}

bool sysfile_number(const char *path, int64_t *number) {
    char text[64], *end;
    *number = -1;
    if (!sysfile_text(path, text, sizeof text))
        return false;
    // Base 0: some files are hexadecimal. What follows a number, as in "4096 32768", is not asked for.
    errno = 0;
    long long parsed = strtoll(text, &end, 0);
    if (end == text || errno != 0)
        return false;
    *number = parsed;
    return true;
}
