// JSON documents: see json_document.h.
#include "runtime/json_document.h"
#include "base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENT_MAX_BYTES = 4 << 20, DIGITS_OF_INT64 = 19 };

// Rewrites the number of `digits` at `at` if it is one of those that only an unsigned 64-bit integer holds. The new
// text is never longer, and JSON does not mind the blanks after it.
static void narrow(char *at, size_t digits) {
    char number[24], narrowed[24];
    if (digits < DIGITS_OF_INT64 || digits > DIGITS_OF_INT64 + 1)
        return;
    memcpy(number, at, digits);
    number[digits] = '\0';
    errno = 0;
    uint64_t value = strtoull(number, NULL, 10);
    if (errno != 0 || value <= INT64_MAX)
        return;
    int length = snprintf(narrowed, sizeof narrowed, "%" PRId64, (int64_t)value);
    // -9223372036854775808 has 20 characters, its bits as an unsigned number 19 digits: out of range stays out of
    // range.
    if ((size_t)length > digits)
        return;
    memset(at, ' ', digits);
    memcpy(at, narrowed, (size_t)length);
}

static void narrow_numbers(char *text, size_t length) {
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] >= '0' && text[i] <= '9') {
            size_t digits = 0;
            while (i + digits < length && text[i + digits] >= '0' && text[i + digits] <= '9')
                digits++;
            // Only a whole number: not -1…, 1.5 or 1e9.
            bool whole =
                (i == 0 || !strchr("-+.eE", text[i - 1])) && (i + digits == length || !strchr(".eE", text[i + digits]));
            if (whole)
                narrow(text + i, digits);
            i += digits - 1;
        }
    }
}

json_t *json_read_text(const char *text, size_t length, bh_error *err) {
    json_error_t json_error;
    cleanup_free char *copy = malloc(length + 1);
    if (!copy) {
        bh_fail(err, ENOMEM, "cannot read the document");
        return NULL;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    narrow_numbers(copy, length);
    json_t *document = json_loadb(copy, length, JSON_REJECT_DUPLICATES, &json_error);
    if (!document)
        bh_fail(err, 0, "line %d, column %d: %s", json_error.line, json_error.column, json_error.text);
    return document;
}

json_t *json_read_file(const char *path, bh_error *err) {
    cleanup_file FILE *opened = strcmp(path, "-") == 0 ? NULL : fopen(path, "re");
    FILE *file = strcmp(path, "-") == 0 ? stdin : opened;
    cleanup_free char *text = malloc(DOCUMENT_MAX_BYTES + 1);
    if (!file || !text) {
        bh_fail(err, errno, "cannot open %s", path);
        return NULL;
    }
    size_t length = fread(text, 1, DOCUMENT_MAX_BYTES + 1, file);
    if (ferror(file) || length > DOCUMENT_MAX_BYTES) {
        bh_fail(err, ferror(file) ? errno : EFBIG, "cannot read %s", path);
        return NULL;
    }
    json_t *document = json_read_text(text, length, err);
    if (!document)
        bh_wrap(err, "%s", path);
    return document;
}
