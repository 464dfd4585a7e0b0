// Dispatch: every line gets exactly one answer, whatever the line.
#include "base/cleanup.h"
#include "broker/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

typedef struct peer {
    client client;
    json_t *answer; // the last one
    int answers;
} peer;

static void keep(client *c, const char *line, size_t length) {
    peer *p = (peer *)c;
    json_decref(p->answer);
    p->answer = json_loadb(line, length, 0, NULL);
    p->answers++;
}

// A broker without a host under it: nothing may be created, since its maxima are 0.
static int set_up(void **state) {
    broker *b = calloc(1, sizeof *b);
    b->config = (broker_config){.state_dir = "/nonexistent",
                                .images_dir = "/nonexistent",
                                .programs_dir = "/nonexistent",
                                .cgroup_parent = "nonexistent",
                                .id_base = 0x50000000,
                                .accel = "tcg",
                                .nesting = "vm"};
    peer *p = calloc(1, sizeof *p);
    p->client.send = keep;
    broker_add_client(b, &p->client);
    static void *both[2];
    both[0] = b;
    both[1] = p;
    *state = both;
    return 0;
}

static int tear_down(void **state) {
    void **both = *state;
    peer *p = both[1];
    json_decref(p->answer);
    free(p);
    free(both[0]);
    return 0;
}

// Sends a line, and returns the error's code and field as "code field", or "ok".
static const char *answer_to(void **state, const char *line) {
    static char text[256];
    void **both = *state;
    peer *p = both[1];
    int before = p->answers;
    broker_handle_line(both[0], &p->client, line, strlen(line));
    assert_int_equal(p->answers, before + 1);
    json_t *error = json_object_get(p->answer, "error");
    if (!error)
        return json_object_get(p->answer, "result") ? "ok" : "neither a result nor an error";
    const char *field = json_string_value(json_object_get(error, "field"));
    assert_true(json_string_length(json_object_get(error, "message")) > 0);
    snprintf(text, sizeof text, "%s %s", json_string_value(json_object_get(error, "code")), field ? field : "-");
    return text;
}

static void errors_name_what_is_wrong(void **state) {
    assert_string_equal(answer_to(state, "{\"id\": 1, \"method\": \"machine.list\"}"), "ok");
    assert_string_equal(answer_to(state, "{\"id\": 1, \"method\": \"machine.list\", \"params\": {}}"), "ok");
    assert_string_equal(answer_to(state, ""), "bad_request -");
    assert_string_equal(answer_to(state, "{"), "bad_request -");
    assert_string_equal(answer_to(state, "[]"), "bad_request -");
    assert_string_equal(answer_to(state, "{\"id\": -1, \"method\": \"probe\"}"), "bad_request id");
    assert_string_equal(answer_to(state, "{\"id\": \"1\", \"method\": \"probe\"}"), "bad_request id");
    assert_string_equal(answer_to(state, "{\"id\": 1}"), "bad_request method");
    assert_string_equal(answer_to(state, "{\"id\": 1, \"method\": \"probe\", \"root\": true}"), "bad_request root");
    assert_string_equal(answer_to(state, "{\"id\": 1, \"id\": 2, \"method\": \"probe\"}"), "bad_request -");
    assert_string_equal(answer_to(state, "{\"id\": 1, \"method\": \"machine.create\"}"), "unknown_method method");
    assert_string_equal(answer_to(state, "{\"id\": 1, \"method\": \"probe\", \"params\": []}"), "bad_request params");
    assert_string_equal(answer_to(state, "{\"id\": 1, \"method\": \"probe\", \"params\": {\"a\": 1}}"),
                        "bad_request a");
    assert_string_equal(
        answer_to(state, "{\"id\": 1, \"method\": \"machine.delete\", \"params\": {\"machine\": \"x\"}}"),
        "not_found machine");
}

static const char create[] =
    "{\"id\":1,\"method\":\"container.create\",\"params\":{\"machine\":\"x\",\"image\":\"base\",\"profile\":\"%s\","
    "\"hostname\":\"box\",\"limits\":{\"memory_bytes\":268435456,\"pids\":128,\"cpu_millis\":500,"
    "\"disk_bytes\":67108864},\"labels\":{}}}";

static void limits_and_placement_are_enforced(void **state) {
    char line[512];
    snprintf(line, sizeof line, create, "hardened");
    assert_string_equal(answer_to(state, line), "limit limits.memory_bytes");
    snprintf(line, sizeof line, create, "nested");
    assert_string_equal(answer_to(state, line), "denied profile");
}

static uint32_t next_random(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void random_lines_get_one_answer_each(void **state) {
    char line[512];
    snprintf(line, sizeof line, create, "hardened");
    size_t length = strlen(line);
    uint32_t seed = 2026;
    for (int round = 0; round < 20000; round++) {
        char damaged[512];
        memcpy(damaged, line, length + 1);
        for (uint32_t hits = 1 + next_random(&seed) % 6; hits > 0; hits--)
            damaged[next_random(&seed) % length] = (char)(1 + next_random(&seed) % 255);
        assert_string_not_equal(answer_to(state, damaged), "ok");
    }
}

static void a_client_that_left_is_not_answered(void **state) {
    void **both = *state;
    broker *b = both[0];
    peer *p = both[1];
    request *r = calloc(1, sizeof *r);
    static const method none = {"none", NULL, NULL};
    *r = (request){.broker = b, .client = &p->client, .method = &none, .id = json_integer(1), .params = json_object()};
    b->requests = r;
    int before = p->answers;
    broker_remove_client(b, &p->client);
    request_answer(r, json_object());
    assert_int_equal(p->answers, before);
    assert_null(b->requests);
    broker_add_client(b, &p->client);
}

static void events_go_to_subscribers_only(void **state) {
    void **both = *state;
    peer *p = both[1];
    int before = p->answers;
    broker_emit(both[0], json_pack("{s:s}", "event", "test"));
    assert_int_equal(p->answers, before);
    assert_string_equal(answer_to(state, "{\"id\": 1, \"method\": \"subscribe\"}"), "ok");
    broker_emit(both[0], json_pack("{s:s}", "event", "test"));
    assert_int_equal(p->answers, before + 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_what_is_wrong),        cmocka_unit_test(limits_and_placement_are_enforced),
        cmocka_unit_test(random_lines_get_one_answer_each), cmocka_unit_test(a_client_that_left_is_not_answered),
        cmocka_unit_test(events_go_to_subscribers_only),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
