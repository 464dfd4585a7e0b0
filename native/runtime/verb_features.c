// `bulkhead features`: what callers may ask for, as
// https://github.com/opencontainers/runtime-spec/blob/main/features.md has it. Each list is the table that the code for
// it reads, so that nothing can be promised here and not be there.
#include "base/capability_names.h"
#include "base/cleanup.h"
#include "runtime/hooks.h"
#include "runtime/mount_options.h"
#include "runtime/namespaces.h"
#include "runtime/seccomp_words.h"
#include "runtime/verbs.h"

#include <stdbool.h>
#include <stdio.h>

static json_t *linux_features(void) {
    json_t *namespaces = json_array(), *capabilities = json_array();
    for (int i = 0; i < NAMESPACE_KINDS; i++)
        json_array_append_new(namespaces, json_string(namespace_table[i].type));
    for (const char *const *name = capability_names; *name; name++)
        json_array_append_new(capabilities, json_string(*name));
    return json_pack("{s:o, s:o, s:{s:b, s:b, s:b, s:b, s:b}, s:o, s:{s:b}, s:{s:b}, s:{s:b}, s:{s:{s:b}}}",
                     "namespaces", namespaces, "capabilities", capabilities, "cgroup", "v1", true, "v2", true,
                     "systemd", false, "systemdUser", false, "rdma", true, "seccomp", seccomp_words(), "apparmor",
                     "enabled", true, "selinux", "enabled", true, "intelRdt", "enabled", false, "mountExtensions",
                     "idmap", "enabled", true);
}

int verb_features(const settings *s, int argc, char **argv, bh_error *err) {
    (void)s;
    (void)argv;
    if (argc > 1)
        return bh_fail(err, 0, "features takes no arguments");
    json_t *hooks = json_array();
    for (hook_kind kind = 0; kind < HOOK_KINDS; kind++)
        json_array_append_new(hooks, json_string(hooks_name(kind)));
    cleanup_json json_t *features =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:{s:s}, s:[s]}", "ociVersionMin", OCI_VERSION_MIN, "ociVersionMax",
                  OCI_VERSION, "hooks", hooks, "mountOptions", mount_options_known(), "linux", linux_features(),
                  "annotations", "dev.bulkhead.version", BULKHEAD_VERSION, "potentiallyUnsafeConfigAnnotations",
                  "dev.bulkhead.overlay."); // a prefix
    json_dumpf(features, stdout, JSON_INDENT(2));
    putchar('\n');
    return 0;
}
