// Every property that runtime-spec 1.0 to 1.2 has for Linux, and whether this runtime does what it says.
#pragma once

#include "runtime/json_field.h"

// Walks the object: what the specification has and this runtime does not do fails, with path and reason, if it says
// anything; what it does not have is a warning (log.h), for it must be ignored (config.md, Extensibility). `kind` is
// the object's own path in the specification, such as "linux.resources", "" for the whole document.
int config_check_fields(const json_place *at, const char *kind, bh_error *err);
