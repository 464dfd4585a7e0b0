// What a guest prints on its serial console, and what QEMU says of its end: the last lines are shown to people.
#include "fuzz/fuzz.h"

#include "broker/vm_console.h"
#include "broker/vm_end.h"
#include "broker/vm_watch.h"

#include <string.h>

// Nothing that a terminal would obey, in at most so many lines of at most so many characters.
static void check_lines(json_t *lines) {
    size_t i;
    json_t *line;
    fuzz_promise(json_is_array(lines) && json_array_size(lines) <= VM_CONSOLE_LINES);
    json_array_foreach(lines, i, line) {
        const char *text = json_string_value(line);
        fuzz_promise(text && strlen(text) <= 3 * VM_CONSOLE_LINE_MAX);
        for (; *text; text++)
            fuzz_promise((unsigned char)*text >= ' ' && *text != 0x7F &&
                         !((unsigned char)text[0] == 0xC2 && (unsigned char)text[1] < 0xA0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char text[VM_CONSOLE_MAX + 1];
    char words[64];
    if (size > VM_CONSOLE_MAX)
        return 0;
    memcpy(text, data, size);
    size_t length = vm_console_clean(text, size);
    fuzz_promise(length <= size && length == strlen(text));
    json_t *lines = vm_console_lines(text);
    check_lines(lines);
    bool panicked = vm_end_panic_words(text, words, sizeof words);
    fuzz_promise(panicked == (vm_end_panic_at(text) != NULL));
    if (panicked)
        fuzz_promise(json_array_size(lines) > 0);
    json_decref(lines);

    vm_news news = {0};
    vm_news_read(&news, (const char *)data, size);
    fuzz_promise(memchr(news.shutdown, '\0', sizeof news.shutdown) != NULL);
    vm_end_signs seen = {news.panicked, news.shutdown, size > 0 ? data[0] : -1, false, text};
    fuzz_promise(end_cause_from(end_cause_name(vm_end_cause(&seen))) == vm_end_cause(&seen));
    return 0;
}
