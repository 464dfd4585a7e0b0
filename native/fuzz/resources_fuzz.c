// linux.resources, device rules among them, as both versions of cgroups have them.
#include "base/cleanup.h"
#include "fuzz/fuzz.h"
#include "runtime/config.h"
#include "runtime/json_document.h"

#include <string.h>

static void check_rules(const config *c) {
    for (size_t i = 0; i < c->device_rule_count; i++) {
        const cgroup_device *rule = &c->device_rules[i];
        fuzz_promise(rule->type == 'a' || rule->type == 'b' || rule->type == 'c');
        fuzz_promise(rule->access[0] && strspn(rule->access, "rwm") == strlen(rule->access));
    }
}

// A name that leads to another file, or a value of two lines, would set what was not asked for.
static void check_settings(const config *c) {
    for (size_t i = 0; i < c->setting_count; i++)
        fuzz_promise(c->settings[i].file[0] && !strchr(c->settings[i].file, '/') && c->settings[i].controller[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bh_error err = {0}, unread;
    cleanup_json json_t *document = json_read_text((const char *)data, size, &unread);
    if (!json_is_object(document))
        return 0;
    json_place at = {.object = document, .path = "linux.resources"};
    config c = {.cgroup_path = "bulkhead/fuzz", .limits = CGROUP_NO_LIMITS};
    int result = config_parse_resources(&c, &at, &err);
    fuzz_contract(result, &err);
    check_rules(&c);
    check_settings(&c);
    config_free(&c);
    for (int version = 1; version <= 2; version++) {
        config other = {.limits = CGROUP_NO_LIMITS};
        bh_error refusal = {0};
        fuzz_contract(config_parse_settings(&other, &at, version, &refusal), &refusal);
        check_settings(&other);
        config_free(&other);
    }
    return 0;
}
