// Profiles have the same key if they are the same, and no two different ones have.
#include "runtime/seccomp_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static seccomp_key key_of(const char *text) {
    seccomp_key key;
    json_t *profile = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(profile);
    assert_int_equal(seccomp_key_make(profile, &key), 0);
    json_decref(profile);
    return key;
}

static bool same(const char *one, const char *other) {
    seccomp_key a = key_of(one), b = key_of(other);
    bool equal = a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
    assert_true(!equal || seccomp_key_hash(&a) == seccomp_key_hash(&b));
    seccomp_key_free(&a);
    seccomp_key_free(&b);
    return equal;
}

static void the_same_however_it_is_written(void **unused) {
    (void)unused;
    assert_true(same("{\"names\": [\"read\", \"write\"], \"errnoRet\": 1, \"x\": null}",
                     "{\"names\":[\"re\\u0061d\",\"write\"],\"errnoRet\":1,\"x\":null}"));
}

static void another_for_another_profile(void **unused) {
    (void)unused;
    static const char *const profiles[] = {
        "{}", "[]", "[[]]", "[[],[]]", "[[[]]]", "[{}]", "{\"a\":[]}", "{\"a\":{}}", "\"\"", "[\"\"]", "[\"\",\"\"]",
        // The same letters, cut differently.
        "[\"ab\"]", "[\"a\",\"b\"]", "[[\"a\"],\"b\"]", "[[\"a\",\"b\"]]", "[[\"a\"],[\"b\"]]", "{\"a\":\"b\"}",
        "{\"ab\":\"\"}", "[\"a\",[\"b\"]]",
        // Marks as text.
        "[\")\"]", "[\"a)\"]", "[\"c\"]",
        // Values that look alike.
        "[0]", "[1]", "[-1]", "[\"1\"]", "[1.0]", "[true]", "[false]", "[null]", "[4294967296]", "[256]"};
    size_t count = sizeof profiles / sizeof *profiles;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (same(profiles[i], profiles[j]))
                fail_msg("%s has the key of %s", profiles[i], profiles[j]);
}

static void a_hash_that_every_byte_changes(void **unused) {
    (void)unused;
    char bytes[64] = {0};
    seccomp_key key = {.bytes = bytes, .length = 61};
    uint64_t before = seccomp_key_hash(&key);
    for (size_t i = 0; i < key.length; i++) {
        bytes[i] = 1;
        assert_true(seccomp_key_hash(&key) != before);
        bytes[i] = 0;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_however_it_is_written),
        cmocka_unit_test(another_for_another_profile),
        cmocka_unit_test(a_hash_that_every_byte_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
