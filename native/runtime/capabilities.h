// Linux capabilities by name, and the dropping of those that config.json does not list (capabilities(7)).
#pragma once

#include "runtime/config.h"

#include <stdbool.h>

// "CAP_NET_RAW" -> 13; -1 for an unknown name.
int capability_number(const char *name);
// What cannot be granted leaves the sets, each with a warning, as the specification wants it: what the runtime itself
// has not got (but with a user namespace of the container's own all of them begin anew), what one set lacks that
// another's rests on.
int capabilities_keep_possible(capability_sets *sets, bool own_ids, bh_error *err);
// Drops from the bounding set what it may not hold. Needs CAP_SETPCAP, so it comes before capabilities_apply.
int capabilities_bound(const capability_sets *sets, bh_error *err);
// Sets the other four sets of the calling thread; nothing it does afterwards can bring them back.
int capabilities_apply(const capability_sets *sets, bh_error *err);
