// The limits of namespaces: /proc/sys/user/max_*_namespaces.
#pragma once

#include <jansson.h>
#include <stdint.h>

// The lowest of the limits, -1 where none can be read; *kind is whose it is ("net"). Each is put into `limits` by its
// kind, as config.json calls it, unless that is NULL.
int64_t namespaces_least(json_t *limits, const char **kind);
