// Files of a machine, by their paths inside it. Whoever works in the machine may at any moment put links, pipes,
// devices or other directories where a path leads: the kernel resolves it below `root` (openat2(2)), and only regular
// files are opened.
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The most that one request reads or writes.
#define FILE_BYTES_MAX ((size_t)256 * 1024)
// The most that a listing has: entries, and bytes of all their names (in JSON a byte may become six).
#define FILE_ENTRIES_MAX 1000
#define FILE_NAMES_MAX ((size_t)64 * 1024)

// The error's code is the errno of the failure: ENOENT, EISDIR, EINVAL for what is no regular file, ELOOP for a link
// that is not followed, ETIMEDOUT when a signal interrupted a file system that does not answer.

// *result: {size, mode, modified_ms, content: base64, more}.
int files_read(int root, const char *path, off_t offset, size_t max, json_t **result, bh_error *err);
// What is in a file. Without bytes: there is no file.
typedef struct file_bytes {
    const uint8_t *bytes;
    size_t length;
} file_bytes;

// Puts a file with this content in place of what was there, which whoever reads sees before or after and never in
// between. It keeps the owner and, if `mode` is negative, the mode of the one before. Unless what is there is `was`
// (NULL: whatever it is), nothing is written and the error is EEXIST: the one look that counts is the last thing before
// the file takes its place.
int files_write(int root, const char *path, file_bytes content, int mode, const file_bytes *was, bh_error *err);
// *result: {entries: [{name, type, size, mode, modified_ms}], more}, in the order of their names.
int files_list(int root, const char *path, json_t **result, bh_error *err);
