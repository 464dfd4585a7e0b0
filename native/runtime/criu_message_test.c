// Protocol buffers by hand, against bytes that CRIU 4.1.1 sent and took.
#include "runtime/criu_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int read_bytes(const char *bytes, size_t length, criu_answer *a) {
    bh_error err;
    return criu_read_answer((const uint8_t *)bytes, length, a, &err);
}

static void an_answer_is_read(void **state) {
    (void)state;
    criu_answer a;
    // type DUMP, success, an empty `dump`, and an error text, which is passed over
    assert_int_equal(read_bytes("\x08\x01\x10\x01\x1a\x02\x08\x00J\x02hi", 12, &a), 0);
    assert_int_equal(a.kind, CRIU_DUMP);
    assert_true(a.success);
    // type RESTORE, success, restore {pid 300}
    assert_int_equal(read_bytes("\x08\x02\x10\x01\x22\x03\x08\xac\x02", 9, &a), 0);
    assert_int_equal(a.pid, 300);
    // type NOTIFY, success, notify {script "post-dump", pid 7}
    assert_int_equal(read_bytes("\x08\x06\x10\x01\x2a\x0d\x0a\x09post-dump\x10\x07", 19, &a), 0);
    assert_int_equal(a.kind, CRIU_NOTIFY);
    assert_string_equal(a.stage, "post-dump");
}

static void what_is_cut_or_none_is_refused(void **state) {
    (void)state;
    static const char whole[] = "\x08\x06\x10\x01\x2a\x0d\x0a\x09post-dump\x10\x07";
    criu_answer a;
    assert_int_equal(read_bytes(whole, 0, &a), -1);
    for (size_t length = 5; length < sizeof whole - 1; length++)
        assert_int_equal(read_bytes(whole, length, &a), -1);
    assert_int_equal(read_bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, &a), -1);
    assert_int_equal(read_bytes("\x0b\x01", 2, &a), -1); // a group: nobody sends one
    // A stage with a name that is too long is one that nobody waits for.
    char longest[2 + 2 + 2 + 60] = "\x08\x06\x2a\x3e\x0a\x3c";
    memset(longest + 6, 'x', 60);
    assert_int_equal(read_bytes(longest, sizeof longest, &a), 0);
    assert_string_equal(a.stage, "");
}

static void a_reply_is_two_fields(void **state) {
    (void)state;
    criu_message m;
    criu_write_reply(&m, true);
    assert_int_equal(m.length, 4);
    assert_memory_equal(m.bytes, "\x08\x06\x18\x01", 4);
}

static void a_request_that_does_not_fit_says_so(void **state) {
    (void)state;
    criu_message m;
    char root[CRIU_MESSAGE_MAX];
    memset(root, 'r', sizeof root);
    root[sizeof root - 1] = '\0';
    criu_write_request(&m, CRIU_RESTORE, &(criu_options){.images = 3, .root = root, .log_file = "criu.log"});
    assert_true(m.cut);
    criu_write_request(&m, CRIU_DUMP, &(criu_options){.images = 3, .pid = 131, .log_file = "criu.log"});
    assert_false(m.cut);
    assert_memory_equal(m.bytes, "\x08\x01\x12", 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(what_is_cut_or_none_is_refused),
        cmocka_unit_test(a_reply_is_two_fields),
        cmocka_unit_test(a_request_that_does_not_fit_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
