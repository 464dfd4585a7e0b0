// Base64: the vectors of RFC 4648, section 10, and texts that are none.
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *bytes, *text;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xff\xfe\xfb", "//77"},
};

static void text_and_bytes_are_each_other(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        size_t length = strlen(vectors[i].bytes);
        char text[16];
        uint8_t bytes[16];
        base64_encode((const uint8_t *)vectors[i].bytes, length, text);
        assert_string_equal(text, vectors[i].text);
        assert_int_equal(strlen(text), base64_length(length));
        assert_true(base64_is(text));
        assert_int_equal(base64_decode(text, bytes), length);
        assert_memory_equal(bytes, vectors[i].bytes, length);
    }
}

static void what_no_bytes_become_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"A",    "AB",   "ABC",  "Zg=",  "Z===",     "====", "Zm9v\n",
                                        "Zm 9", "Zm=v", "Zh==", "Zm9=", "Zg==Zg==", "Zm9-", "\xc3\xa4\xc3\xa4"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (base64_is(texts[i]))
            fail_msg("\"%s\" was taken", texts[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_bytes_are_each_other),
        cmocka_unit_test(what_no_bytes_become_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
