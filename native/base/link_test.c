// The guest's end of a link: greeting, channels, a stream that begins anywhere, garbage.
#include "base/link.h"

#include "base/cleanup.h"
#include "base/cobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bh_error err;

// Everything that the endpoint told its owner, as text.
static char told[40000];
static link_endpoint *l;

static void tell(const char *what, uint32_t channel, const uint8_t *bytes, size_t length) {
    size_t at = strlen(told);
    snprintf(told + at, sizeof told - at, "%s%u:%.*s;", what, channel, (int)length, (const char *)bytes);
}
static void on_hello(void *context) {
    (void)context;
    strcat(told, "hello;");
}
static void on_control(void *context, const uint8_t *bytes, size_t length) {
    (void)context;
    tell("", LINK_CONTROL, bytes, length);
}
static void on_data(void *context, uint32_t channel, const uint8_t *bytes, size_t length) {
    (void)context;
    tell("", channel, bytes, length);
}
static void on_closed(void *context, uint32_t channel) {
    (void)context;
    tell("closed ", channel, (const uint8_t *)"", 0);
}
static void on_wants_write(void *context) {
    ++*(int *)context;
}

static int writes_wanted;

static int set_up(void **state) {
    (void)state;
    const link_handlers handlers = {on_hello, on_control, on_data, on_closed, on_wants_write};
    told[0] = '\0';
    writes_wanted = 0;
    l = link_new(&handlers, &writes_wanted, &err);
    return l ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    link_free(l);
    return 0;
}

// One packet as the host writes it; returns its length, the ending zero included.
static size_t make_packet(uint32_t channel, const char *payload, size_t length, uint8_t *out) {
    cleanup_free uint8_t *content = malloc(8 + length);
    const uint8_t head[] = {(uint8_t)(channel >> 24), (uint8_t)(channel >> 16), (uint8_t)(channel >> 8),
                            (uint8_t)channel,         (uint8_t)(length >> 24),  (uint8_t)(length >> 16),
                            (uint8_t)(length >> 8),   (uint8_t)length};
    memcpy(content, head, 8);
    memcpy(content + 8, payload, length);
    size_t encoded = cobs_encode(content, 8 + length, out);
    out[encoded] = 0;
    return encoded + 1;
}

static void from_host(uint32_t channel, const char *payload) {
    uint8_t packet[20000];
    link_receive(l, packet, make_packet(channel, payload, strlen(payload), packet));
}

#define HELLO "{\"hello\":\"0123456789abcdef\",\"version\":1}"
#define HELLO_AGAIN "{\"hello\":\"fedcba9876543210\",\"version\":1}"

// Takes what waits to be written apart: "channel:payload;" for each packet, "|" for an empty one.
static void expect_written(const char *expected) {
    static char seen[40000];
    seen[0] = '\0';
    size_t length = link_pending(l);
    cleanup_free uint8_t *bytes = malloc(length + 1);
    memcpy(bytes, link_front(l), length);
    link_sent(l, length);
    for (size_t at = 0; at < length;) {
        uint8_t *zero = memchr(bytes + at, 0, length - at);
        assert_non_null(zero);
        size_t piece = (size_t)(zero - bytes) - at;
        size_t end = strlen(seen);
        if (piece == 0) {
            snprintf(seen + end, sizeof seen - end, "|");
        } else {
            ssize_t plain = cobs_decode(bytes + at, piece, bytes + at);
            assert_true(plain >= 8);
            snprintf(seen + end, sizeof seen - end, "%u:%.*s;", bytes[at + 3], (int)(plain - 8),
                     (const char *)bytes + at + 8);
        }
        at += piece + 1;
    }
    assert_string_equal(seen, expected);
}

static void nothing_is_said_before_the_host_has_said_hello(void **state) {
    (void)state;
    assert_int_equal(link_send(l, LINK_CONTROL, "{}\n", 3, &err), 0);
    from_host(LINK_CONTROL, "{\"id\":1}\n");
    assert_string_equal(told, "");
    assert_int_equal(link_pending(l), 0);

    from_host(LINK_ITSELF, HELLO);
    from_host(LINK_CONTROL, "{\"id\":1}\n");
    assert_int_equal(link_send(l, LINK_CONTROL, "{}\n", 3, &err), 0);
    assert_string_equal(told, "hello;0:{\"id\":1}\n;");
    assert_int_equal(writes_wanted, 1);
    expect_written("|1:" HELLO ";0:{}\n;");
}

static void a_repeated_hello_is_answered_and_forgets_nothing(void **state) {
    (void)state;
    from_host(LINK_ITSELF, HELLO);
    assert_int_equal(link_open_channel(l, &err), 2);
    from_host(LINK_ITSELF, HELLO);
    from_host(2, "abc");
    assert_string_equal(told, "hello;2:abc;");
    expect_written("|1:" HELLO ";1:" HELLO ";");
}

static void a_new_hello_ends_every_channel_and_what_waited(void **state) {
    (void)state;
    from_host(LINK_ITSELF, HELLO);
    expect_written("|1:" HELLO ";");
    assert_int_equal(link_open_channel(l, &err), 2);
    link_send(l, 2, "old", 3, &err);
    link_sent(l, 4); // in the middle of the packet
    from_host(LINK_ITSELF, HELLO_AGAIN);
    from_host(2, "for nobody");
    link_send(l, 2, "late", 4, &err);
    assert_string_equal(told, "hello;hello;");
    expect_written("|1:" HELLO_AGAIN ";");
    assert_int_equal(link_open_channel(l, &err), 3);
}

static void a_channel_carries_bytes_both_ways_until_either_side_closes_it(void **state) {
    (void)state;
    from_host(LINK_ITSELF, HELLO);
    expect_written("|1:" HELLO ";");
    assert_int_equal(link_open_channel(l, &err), 2);
    assert_int_equal(link_open_channel(l, &err), 3);
    from_host(3, "in");
    link_send(l, 3, "out", 3, &err);
    link_close_channel(l, 3);
    link_close_channel(l, 3);
    from_host(3, "late");
    from_host(LINK_ITSELF, "{\"closed\":2}");
    from_host(LINK_ITSELF, "{\"closed\":2}");
    link_send(l, 2, "late", 4, &err);
    assert_string_equal(told, "hello;3:in;closed 2:;");
    expect_written("3:out;1:{\"closed\":3};");
}

static void long_sends_are_cut_into_packets_that_fit(void **state) {
    (void)state;
    from_host(LINK_ITSELF, HELLO);
    expect_written("|1:" HELLO ";");
    static char big[LINK_PAYLOAD_MAX + 5];
    memset(big, 'x', sizeof big);
    link_send(l, LINK_CONTROL, big, sizeof big, &err);
    static char expected[sizeof big + 20];
    snprintf(expected, sizeof expected, "0:%.*s;0:xxxxx;", LINK_PAYLOAD_MAX, big);
    expect_written(expected);
}

static void a_stream_cut_anywhere_and_begun_anywhere_is_understood(void **state) {
    (void)state;
    uint8_t stream[1000] = "half of an old packet";
    size_t length = strlen((char *)stream);
    stream[length++] = 0;
    length += make_packet(LINK_ITSELF, HELLO, strlen(HELLO), stream + length);
    length += make_packet(LINK_CONTROL, "line", 4, stream + length);
    for (size_t i = 0; i < length; i++)
        link_receive(l, stream + i, 1);
    assert_string_equal(told, "hello;0:line;");
}

static void a_packet_that_is_too_long_or_lies_about_its_length_is_dropped(void **state) {
    (void)state;
    from_host(LINK_ITSELF, HELLO);
    static char big[3 * LINK_PAYLOAD_MAX];
    static uint8_t packet[4 * LINK_PAYLOAD_MAX];
    memset(big, 'y', sizeof big);
    link_receive(l, packet, make_packet(LINK_CONTROL, big, sizeof big, packet));
    link_receive(l, packet, make_packet(LINK_CONTROL, big, LINK_PAYLOAD_MAX + 1, packet));
    const uint8_t liar[] = {0, 0, 0, 0, 0, 0, 0, 9, 'x'};
    size_t length = cobs_encode(liar, sizeof liar, packet);
    packet[length] = 0;
    link_receive(l, packet, length + 1);
    from_host(LINK_CONTROL, "fine");
    assert_string_equal(told, "hello;0:fine;");
}

static void channels_are_bounded(void **state) {
    (void)state;
    from_host(LINK_ITSELF, HELLO);
    for (int i = 0; i < LINK_CHANNELS_MAX; i++)
        assert_true(link_open_channel(l, &err) > 0);
    assert_int_equal(link_open_channel(l, &err), -1);
    link_close_channel(l, 100);
    assert_true(link_open_channel(l, &err) > 0);
}

// Good packets damaged by flips, cuts and insertions, between plain noise: nothing but ASan watches, and afterwards a
// hello must still be heard.
static void damage_and_noise_never_hurt(void **state) {
    (void)state;
    unsigned seed = 77;
    uint8_t packet[400];
    const char *const payloads[] = {HELLO, "{\"closed\":2}", "{\"hello\":7}", "[]", "{\"closed\":-1}", "line\n", ""};
    for (int round = 0; round < 100000; round++) {
        const char *payload = payloads[rand_r(&seed) % 7];
        size_t length = make_packet((uint32_t)rand_r(&seed) % 4, payload, strlen(payload), packet);
        for (int flips = rand_r(&seed) % 4; flips > 0; flips--)
            packet[(size_t)rand_r(&seed) % length] ^= (uint8_t)(1 << rand_r(&seed) % 8);
        if (rand_r(&seed) % 3 == 0)
            length = (size_t)rand_r(&seed) % length;
        link_receive(l, packet, length);
        if (rand_r(&seed) % 50 == 0) {
            for (size_t i = 0; i < sizeof packet; i++)
                packet[i] = (uint8_t)rand_r(&seed);
            link_receive(l, packet, sizeof packet);
            link_open_channel(l, &err);
        }
        link_sent(l, link_pending(l) ? (size_t)rand_r(&seed) % link_pending(l) : 0);
        told[0] = '\0';
    }
    link_receive(l, (const uint8_t *)"", 1);
    from_host(LINK_ITSELF, HELLO_AGAIN);
    assert_string_equal(told, "hello;");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_said_before_the_host_has_said_hello),
        TEST(a_repeated_hello_is_answered_and_forgets_nothing),
        TEST(a_new_hello_ends_every_channel_and_what_waited),
        TEST(a_channel_carries_bytes_both_ways_until_either_side_closes_it),
        TEST(long_sends_are_cut_into_packets_that_fit),
        TEST(a_stream_cut_anywhere_and_begun_anywhere_is_understood),
        TEST(a_packet_that_is_too_long_or_lies_about_its_length_is_dropped),
        TEST(channels_are_bounded),
        TEST(damage_and_noise_never_hurt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
