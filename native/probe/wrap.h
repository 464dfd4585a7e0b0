// Words in lines of a given width.
#pragma once

#include <stdio.h>

// Prints `text`, beginning at `column`, and ends the line. What does not fit before `width` goes to the next line, at
// column `indent`; a word longer than a line is left whole, so that it can be copied.
void wrap(FILE *out, const char *text, int column, int indent, int width);
