// What the kernel was told, for its init.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// The value of a word `name=value`, or "" of the word `name` alone, in a kernel's command line; false when there is
// neither. A value that does not fit is cut.
bool command_line_find(const char *line, const char *name, char *value, size_t size);

// The same of the line that this kernel was given.
bool kernel_parameter(const char *name, char *value, size_t size);
