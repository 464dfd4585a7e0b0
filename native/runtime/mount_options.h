// A mount's options as config.json lists them, sorted into what the mount API wants (fsconfig, mount_setattr).
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct mount_options {
    bool bind, recursive;
    bool copy_up;                            // "tmpcopyup"
    bool remount;                            // other attributes for the mount that is there
    bool idmap, recursive_ids;               // "idmap", "ridmap": of a bind, as the container's ids see it
    uint64_t set, clear;                     // MOUNT_ATTR_* of this mount
    uint64_t recursive_set, recursive_clear; // of it and all below ("rro")
    unsigned long propagation;               // MS_PRIVATE…, with MS_REC; 0: leave it
    const char *data[32];                    // the file system's own: "size=64k", NULL-terminated
} mount_options;

// `where` names the mount in errors ("mounts[3]"). The strings of `data` are those of `options`.
int mount_options_parse(const char *const *options, const char *where, mount_options *parsed, bh_error *err);
// Every word that is not the file system's own, for `features`. A new reference.
json_t *mount_options_known(void);
// "rslave" -> MS_SLAVE | MS_REC; 0 for an unknown word.
unsigned long mount_propagation(const char *name);
// Gives the file system context `fs` one "key=value" or "key" option.
int mount_set_option(int fs, const char *option, bh_error *err);
// Makes a detached mount of a new file system: source may be NULL, data is NULL-terminated. Returns its fd.
int mount_new(const char *type, const char *source, const char *const *data, uint64_t attributes, bh_error *err);
// Lets the detached mount `mount` be seen through the id maps of `pid`'s user namespace (mount_setattr(2)).
int mount_map_ids(int mount, bool recursive, int proc_fd, pid_t pid, const char *what, bh_error *err);
// Puts the detached mount `mount` on the open file or directory `target`: by fd, so no name is looked up again.
int mount_attach(int mount, int target, const char *what, bh_error *err);
