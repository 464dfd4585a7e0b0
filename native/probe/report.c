// The list of findings: see report.h. It is kept as the JSON it becomes, so that both ways of printing say the same.
#include "probe/report.h"

#include <string.h>
#include <sys/utsname.h>

static const char *const state_names[] = {"good", "note", "weak", "missing"};
// One word for all of it, by the worst state.
static const char *const fitness_names[] = {"fit", "fit", "limited", "unfit"};

void probe_add(json_t *report, const probe_finding *f) {
    // Into JSON at once: both ways of printing then say the same, and texts may live on the caller's stack.
    json_array_append_new(report, json_pack("{s:s, s:s, s:s, s:o?, s:s, s:s, s:s?}", "group", f->group, "name", f->name,
                                            "state", state_names[f->state], "value", f->value, "shown", f->shown,
                                            "means", f->means, "remedy", f->remedy));
}

static probe_state state_of(const json_t *finding) {
    const char *name = json_string_value(json_object_get(finding, "state"));
    probe_state state = PROBE_GOOD;
    while (state < PROBE_MISSING && strcmp(name, state_names[state]) != 0)
        state++;
    return state;
}

probe_state probe_worst(const json_t *report) {
    size_t i;
    json_t *finding;
    probe_state worst = PROBE_GOOD;
    json_array_foreach(report, i, finding) {
        probe_state state = state_of(finding);
        worst = state > worst ? state : worst;
    }
    return worst;
}

json_t *probe_document(json_t *report) {
    struct utsname host;
    uname(&host);
    return json_pack("{s:s, s:s, s:s, s:O}", "version", BULKHEAD_VERSION, "host", host.nodename, "fitness",
                     fitness_names[probe_worst(report)], "findings", report);
}
