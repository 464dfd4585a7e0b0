// `bulkhead features`: what callers may ask for, as
// https://github.com/opencontainers/runtime-spec/blob/main/features.md has it.
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "runtime/namespaces.h"
#include "runtime/verbs.h"

#include <stdbool.h>
#include <stdio.h>

int verb_features(const settings *s, int argc, char **argv, bh_error *err) {
    (void)s;
    (void)argv;
    if (argc > 1)
        return bh_fail(err, 0, "features takes no arguments");
    cleanup_json json_t *namespaces = json_array();
    for (int i = 0; i < NAMESPACE_KINDS; i++)
        json_array_append_new(namespaces, json_string(namespace_table[i].type));
    cleanup_json json_t *features = json_pack(
        "{s:s, s:s, s:[s,s,s,s,s,s], s:{s:O, s:{s:b, s:b, s:b, s:b}, s:{s:b, s:[s,s,s,s,s,s,s]}, s:{s:{s:b}}}, "
        "s:{s:s}}",
        "ociVersionMin", "1.0.0", "ociVersionMax", "1.2.0", "hooks", "prestart", "createRuntime", "createContainer",
        "startContainer", "poststart", "poststop", "linux", "namespaces", namespaces, "cgroup", "v1", true, "v2", true,
        "systemd", false, "rdma", false, "seccomp", "enabled", true, "actions", "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",
        "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_TRACE", "SCMP_ACT_LOG",
        "mountExtensions", "idmap", "enabled", true, "annotations", "dev.bulkhead.version", BULKHEAD_VERSION);
    json_dumpf(features, stdout, JSON_INDENT(2));
    putchar('\n');
    return 0;
}
