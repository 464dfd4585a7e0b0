// Files in which the kernel says one thing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The file's text without trailing white space; false, and an empty text, where there is no such file.
bool sysfile_text(const char *path, char *text, size_t size);
// The number in the file; false, and -1, where there is none.
bool sysfile_number(const char *path, int64_t *number);
