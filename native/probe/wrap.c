// Words in lines: see wrap.h.
#include "probe/wrap.h"

#include <stdbool.h>
#include <string.h>

// Columns, not bytes: the second and later bytes of a character in UTF-8 take none.
static int columns(const char *text, size_t bytes) {
    int count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

void wrap(FILE *out, const char *text, int column, int indent, int width) {
    bool first = true; // of its line: it is printed even where it does not fit
    for (const char *at = text + strspn(text, " "); *at; at += strspn(at, " ")) {
        size_t bytes = strcspn(at, " ");
        int length = columns(at, bytes);
        if (!first && column + 1 + length > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)bytes, at);
        column += length + !first;
        first = false;
        at += bytes;
    }
    fputc('\n', out);
}
