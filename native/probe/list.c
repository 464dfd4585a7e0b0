// Words one after the other: see list.h.
#include "probe/list.h"

#include <string.h>

word_list list_begin(const char *with) {
    return (word_list){.array = json_array(), .with = with};
}

void list_add(word_list *list, const char *word) {
    size_t length = strlen(list->text);
    json_array_append_new(list->array, json_string(word));
    snprintf(list->text + length, sizeof list->text - length, "%s%s", length ? list->with : "", word);
}
