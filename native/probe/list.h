// Words one after the other, for a person, and the same for a program.
#pragma once

#include <jansson.h>
#include <stddef.h>

typedef struct word_list {
    char text[400];   // "errno trace log"; what does not fit is left out
    json_t *array;    // the same as strings; owned until it is given away
    const char *with; // what stands between two words
} word_list;

// An empty list whose words will be separated by `with`.
word_list list_begin(const char *with);
void list_add(word_list *list, const char *word);
