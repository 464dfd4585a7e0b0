// Machine records: what a broker wrote it can read, and nothing else passes for a record.
#include "broker/ids.h"
#include "broker/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char boot[] = "0f3c5c5e-5a0e-4d2b-9f57-0a1b2c3d4e5f";

static machine *sample(void) {
    machine *m = machine_new("ab12");
    m->kind = MACHINE_CONTAINER;
    m->state = MACHINE_RUNNING;
    strcpy(m->image, "base");
    strcpy(m->profile, "hardened");
    strcpy(m->hostname, "box");
    strcpy(m->label, "system_u:system_r:container_t:s0:c12,c900");
    m->limits = (machine_limits){.memory_bytes = 1 << 28, .cpu_millis = 500, .pids = 128, .disk_bytes = 1 << 26};
    json_object_set_new(m->labels, "owner", json_string("x"));
    m->created_ms = 1795342000000;
    m->slot = 7;
    m->pid = 4711;
    m->start_time = 123456789012;
    return m;
}

static void a_record_survives_the_disk(void **state) {
    (void)state;
    machine *m = sample();
    json_t *record = machine_to_json(m, boot);
    char *text = json_dumps(record, JSON_INDENT(2));
    json_t *parsed = json_loads(text, 0, NULL);
    char boot_id[40];
    bh_error err;
    machine *again = machine_from_json(parsed, boot_id, &err);
    assert_non_null(again);
    assert_string_equal(boot_id, boot);
    assert_string_equal(again->id, "ab12");
    assert_int_equal(again->start_time, m->start_time);
    assert_string_equal(again->label, m->label);
    assert_int_equal(again->limits.disk_bytes, m->limits.disk_bytes);
    json_t *rewritten = machine_to_json(again, boot);
    assert_true(json_equal(rewritten, record));
    json_decref(rewritten);
    json_decref(parsed);
    json_decref(record);
    free(text);
    machine_free(m);
    machine_free(again);
}

// Parses whatever text comes, as recover.c would; true if it passed for a record.
static bool passes(const char *text, size_t length) {
    json_t *parsed = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    char boot_id[40];
    bh_error err = {0};
    machine *m = parsed ? machine_from_json(parsed, boot_id, &err) : NULL;
    bool passed = m != NULL;
    if (parsed && !passed)
        assert_true(strlen(err.message) > 0);
    machine_free(m);
    json_decref(parsed);
    return passed;
}

static void a_truncated_record_is_refused(void **state) {
    (void)state;
    machine *m = sample();
    json_t *record = machine_to_json(m, boot);
    char *text = json_dumps(record, JSON_COMPACT);
    for (size_t length = 0; length < strlen(text); length++)
        assert_false(passes(text, length));
    assert_true(passes(text, strlen(text)));
    free(text);
    json_decref(record);
    machine_free(m);
}

static void a_value_of_the_wrong_type_or_missing_or_extra_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"null", "true", "-1", "1e400", "[]", "{}", "\"../../etc\"", "[[[[]]]]", "1.5"};
    machine *m = sample();
    json_t *record = machine_to_json(m, boot);
    const char *key;
    json_t *value;
    json_object_foreach(record, key, value) {
        json_t *without = json_copy(record);
        json_object_del(without, key);
        char *text = json_dumps(without, JSON_COMPACT);
        // Records of a version before it have no `frozen` and no `restarting`.
        assert_int_equal(passes(text, strlen(text)), strcmp(key, "frozen") == 0 || strcmp(key, "restarting") == 0);
        free(text);
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            // Some of these are right for some keys: labels may be {}, texts may be any text.
            bool free_text = strcmp(key, "exit") == 0 || strcmp(key, "boot") == 0 || strcmp(key, "accel") == 0;
            bool fits =
                (free_text && wrong[i][0] == '"') || (strcmp(key, "labels") == 0 && wrong[i][0] == '{') ||
                (strcmp(key, "created_ms") == 0 && wrong[i][0] == '-') ||
                ((strcmp(key, "selinux") == 0 || strcmp(key, "frozen") == 0 || strcmp(key, "restarting") == 0) &&
                 wrong[i][0] == 't');
            json_t *parsed = json_loads(wrong[i], JSON_DECODE_ANY, NULL);
            if (!parsed || fits) {
                json_decref(parsed);
                continue;
            }
            json_object_set_new(without, key, parsed);
            text = json_dumps(without, JSON_COMPACT);
            if (passes(text, strlen(text)) && strlen(wrong[i]) < sizeof m->accel)
                fail_msg("%s passed as %s", wrong[i], key);
            free(text);
        }
        json_decref(without);
    }
    json_object_set_new(record, "extra", json_null());
    char *text = json_dumps(record, JSON_COMPACT);
    assert_false(passes(text, strlen(text)));
    free(text);
    json_decref(record);
    machine_free(m);
}

// A fixed sequence, so that a failure can be repeated.
static uint32_t next_random(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void random_damage_never_crashes_the_reader(void **state) {
    (void)state;
    machine *m = sample();
    json_t *record = machine_to_json(m, boot);
    char *text = json_dumps(record, JSON_COMPACT);
    size_t length = strlen(text);
    uint32_t seed = 2026;
    for (int round = 0; round < 20000; round++) {
        char *damaged = strdup(text);
        for (uint32_t hits = 1 + next_random(&seed) % 4; hits > 0; hits--)
            damaged[next_random(&seed) % length] = (char)next_random(&seed);
        passes(damaged, length);
        free(damaged);
    }
    free(text);
    json_decref(record);
    machine_free(m);
}

static void no_two_machines_share_ids(void **state) {
    (void)state;
    machine *list = NULL;
    int32_t next = 0;
    const uid_t base = 0x50000000;
    for (int i = 0; i < 100; i++) {
        machine *m = machine_new("x");
        m->slot = slot_allocate(list, base, &next);
        assert_int_equal(m->slot, i);
        m->next = list;
        list = m;
    }
    assert_true(slot_container_id(base, 1) == slot_container_id(base, 0) + IDS_PER_CONTAINER);
    assert_true(slot_service_id(base, ID_SLOTS - 1) < base);
    // The slot of a machine that has gone is free again, but the last to be given out.
    machine *gone = list->next;
    list->next = gone->next;
    machine_free(gone);
    assert_int_equal(slot_allocate(list, base, &next), 100);
    while (list) {
        machine *next_machine = list->next;
        machine_free(list);
        list = next_machine;
    }
    // A base so high that only two ranges fit below 2^32.
    machine only = {.slot = 0};
    next = 0;
    assert_int_equal(slot_allocate(&only, UINT32_MAX - 2 * IDS_PER_CONTAINER, &next), 1);
    only.slot = 1;
    assert_int_equal(slot_allocate(&only, UINT32_MAX - 1 * IDS_PER_CONTAINER, &next), 0);
    only.slot = 0;
    assert_true(slot_allocate(&only, UINT32_MAX - 1 * IDS_PER_CONTAINER, &next) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_survives_the_disk),
        cmocka_unit_test(a_truncated_record_is_refused),
        cmocka_unit_test(a_value_of_the_wrong_type_or_missing_or_extra_is_refused),
        cmocka_unit_test(random_damage_never_crashes_the_reader),
        cmocka_unit_test(no_two_machines_share_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
