// What a container is allowed: the OCI configuration of the two profiles. Pure: names and numbers in, JSON out.
#pragma once

#include "base/error.h"
#include "broker/machine.h"

#include <jansson.h>
#include <sys/types.h>

typedef struct profile_spec {
    const char *profile; // "hardened" or "nested"
    const char *hostname;
    const char *rootfs; // of the image
    const char *cgroup;
    int cgroup_version;
    machine_limits limits;
    const char *label; // of its processes, where the host has SELinux; else empty
    const char *layer; // where what it writes is kept for the broker to read; NULL: nowhere that anybody could
    uid_t first_id;    // the container's user and group ids 0..65535 are this and the following ones on the host
} profile_spec;

// The config.json of the container's bundle; NULL with *err set on failure.
json_t *profile_config(const profile_spec *spec, bh_error *err);

// What a program in any machine starts with; NULL-terminated.
extern const char *const profile_environment[];
