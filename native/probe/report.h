// What a host was found to be: a list of findings, each with what it means for Bulkhead and what to do where it is not
// as it should be. Made once, then printed for a person or as JSON (docs/runtime.md, Probe).
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef enum probe_state {
    PROBE_GOOD,    // as it should be
    PROBE_NOTE,    // good to know; nothing to do
    PROBE_WEAK,    // Bulkhead runs, but with less: less safe, less fast, fewer machines
    PROBE_MISSING, // Bulkhead cannot run containers without it
} probe_state;

typedef struct probe_finding {
    const char *group, *name; // one name within its group, lower case: stable, for programs
    probe_state state;
    json_t *value;      // for programs; stolen. NULL: null
    const char *shown;  // the value for a person
    const char *means;  // for Bulkhead: a sentence
    const char *remedy; // what to do; NULL where there is nothing to do
} probe_finding;

// Copies all the finding says.
void probe_add(json_t *report, const probe_finding *finding);
// The worst state of any finding.
probe_state probe_worst(const json_t *report);
// {"version", "host", "fitness", "findings": [{"group", "name", "state", "value", "shown", "means", "remedy"}]}
json_t *probe_document(json_t *report);
// For a person, at most 80 columns wide; `colour` for a terminal.
void probe_print(const json_t *report, bool colour, FILE *out);
