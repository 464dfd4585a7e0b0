// Linux capabilities by name, and the dropping of those that config.json does not list (capabilities(7)).
#pragma once

#include "runtime/config.h"

// "CAP_NET_RAW" -> 13; -1 for an unknown name.
int capability_number(const char *name);
// What the caller itself has not got it cannot give: such capabilities leave the sets, each with a warning (config.md,
// capabilities). Not with a user namespace, where all of them begin anew.
int capabilities_keep_own(capability_sets *sets, bh_error *err);
// Drops from the bounding set what it may not hold. Needs CAP_SETPCAP, so it comes before capabilities_apply.
int capabilities_bound(const capability_sets *sets, bh_error *err);
// Sets the other four sets of the calling thread; nothing it does afterwards can bring them back.
int capabilities_apply(const capability_sets *sets, bh_error *err);
