// Mount options, and the few calls of the new mount API that everything here is made of: see mount_options.h.
#include "runtime/mount_options.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

// One word, and the MOUNT_ATTR_* bits it sets and clears; with an "r" before it, also on all mounts below.
static const struct {
    const char *name;
    uint64_t set, clear;
} attributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    // The three ways to keep access times are one field: it has to be cleared as a whole (mount_setattr(2)). What
    // takes one of them back leaves the kernel's own choice, relatime.
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"norelatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

// What mount(2) has a flag for and fsconfig(2) a word: of the file system as a whole, so not for a bind mount.
static const char *const of_file_systems[] = {"sync", "async", "dirsync", "lazytime", "nolazytime"};
// Nothing to do: "silent" and "loud" are about the kernel's log, and no kernel since 5.15 knows "mand".
static const char *const without_effect[] = {"defaults", "silent", "loud", "nomand"};

// What the runtime does itself, and what of mount_options says so.
static const struct {
    const char *name;
    size_t first, second; // offsets of bools to set
} deeds[] = {
    {"bind", offsetof(mount_options, bind), offsetof(mount_options, bind)},
    {"rbind", offsetof(mount_options, bind), offsetof(mount_options, recursive)},
    {"idmap", offsetof(mount_options, idmap), offsetof(mount_options, idmap)},
    {"ridmap", offsetof(mount_options, idmap), offsetof(mount_options, recursive_ids)},
    {"tmpcopyup", offsetof(mount_options, copy_up), offsetof(mount_options, copy_up)},
    {"remount", offsetof(mount_options, remount), offsetof(mount_options, remount)},
};

static const struct {
    const char *name;
    unsigned long flag;
} propagations[] = {
    {"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
    {"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
    {"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
    {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
};

unsigned long mount_propagation(const char *name) {
    for (size_t i = 0; i < sizeof propagations / sizeof *propagations; i++)
        if (strcmp(name, propagations[i].name) == 0)
            return propagations[i].flag;
    return 0;
}

// True if `option` is an attribute's name; then it is added to the sums. Later words win.
static bool add_attribute(const char *option, uint64_t *set, uint64_t *clear) {
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (strcmp(option, attributes[i].name) != 0)
            continue;
        *set = (*set & ~attributes[i].clear) | attributes[i].set;
        *clear = (*clear & ~attributes[i].set) | attributes[i].clear;
        return true;
    }
    return false;
}

#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool listed(const char *option, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(option, words[i]) == 0)
            return true;
    return false;
}

static bool add_deed(const char *option, mount_options *parsed) {
    for (size_t i = 0; i < COUNT(deeds); i++) {
        if (strcmp(option, deeds[i].name) != 0)
            continue;
        *(bool *)((char *)parsed + deeds[i].first) = *(bool *)((char *)parsed + deeds[i].second) = true;
        return true;
    }
    return false;
}

int mount_options_parse(const char *const *options, const char *where, mount_options *parsed, bh_error *err) {
    size_t count = 0;
    *parsed = (mount_options){0};
    for (; options && *options; options++) {
        const char *option = *options;
        if (strcmp(option, "mand") == 0)
            return bh_fail(err, 0, "%s.options: mand is not supported: Linux 5.15 took mandatory locks out", where);
        if (mount_propagation(option))
            parsed->propagation = mount_propagation(option);
        else if (!add_deed(option, parsed) && !listed(option, without_effect, COUNT(without_effect)) &&
                 !add_attribute(option, &parsed->set, &parsed->clear) &&
                 !(*option == 'r' && add_attribute(option + 1, &parsed->recursive_set, &parsed->recursive_clear))) {
            if (count + 1 == COUNT(parsed->data))
                return bh_fail(err, 0, "%s.options has too many entries", where);
            parsed->data[count++] = option;
        }
    }
    return 0;
}

json_t *mount_options_known(void) {
    json_t *words = json_array();
    for (size_t i = 0; i < COUNT(attributes); i++) {
        json_array_append_new(words, json_string(attributes[i].name));
        json_array_append_new(words, json_sprintf("r%s", attributes[i].name));
    }
    for (size_t i = 0; i < COUNT(propagations); i++)
        json_array_append_new(words, json_string(propagations[i].name));
    for (size_t i = 0; i < COUNT(deeds); i++)
        json_array_append_new(words, json_string(deeds[i].name));
    for (size_t i = 0; i < COUNT(of_file_systems); i++)
        json_array_append_new(words, json_string(of_file_systems[i]));
    for (size_t i = 0; i < COUNT(without_effect); i++)
        json_array_append_new(words, json_string(without_effect[i]));
    return words;
}

// The kernel's own words about what was wrong, which fsopen(2) contexts collect; "" if it has none.
static const char *context_message(int fs, char *text, size_t size) {
    text[0] = ' ';
    ssize_t got = read(fs, text + 1, size - 2);
    text[got > 0 ? got + 1 : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return text;
}

int mount_set_option(int fs, const char *option, bh_error *err) {
    char key[64], message[256];
    const char *equals = strchr(option, '=');
    size_t length = equals ? (size_t)(equals - option) : strlen(option);
    if (length >= sizeof key)
        return bh_fail(err, EINVAL, "mount option \"%s\"", option);
    memcpy(key, option, length);
    key[length] = '\0';
    int code =
        equals ? fsconfig(fs, FSCONFIG_SET_STRING, key, equals + 1, 0) : fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
    if (code < 0) {
        code = errno;
        return bh_fail(err, code, "mount option \"%s\"%s", option, context_message(fs, message, sizeof message));
    }
    return 0;
}

int mount_new(const char *type, const char *source, const char *const *data, uint64_t attrs, bh_error *err) {
    // fsopen, fsconfig and fsmount instead of mount(2): what comes of it is a mount that is attached nowhere, so there
    // is no path on the way that somebody could swap; and the kernel says which option it did not like.
    char message[256];
    cleanup_fd int fs = fsopen(type, FSOPEN_CLOEXEC);
    if (fs < 0)
        return bh_fail(err, errno, "cannot mount file system type \"%s\"", type);
    if (source && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
        return bh_fail(err, errno, "cannot mount %s from \"%s\"", type, source);
    for (; data && *data; data++)
        if (mount_set_option(fs, *data, err) < 0)
            return bh_wrap(err, "cannot mount %s", type);
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        int code = errno;
        return bh_fail(err, code, "cannot mount %s%s", type, context_message(fs, message, sizeof message));
    }
    int mount = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attrs);
    return mount < 0 ? bh_fail(err, errno, "cannot mount %s", type) : mount;
}

int mount_map_ids(int mount, bool recursive, int proc_fd, pid_t pid, const char *what, bh_error *err) {
    char path[64];
    snprintf(path, sizeof path, "%d/ns/user", pid);
    cleanup_fd int user = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (user < 0)
        return bh_fail(err, errno, "cannot open the container's user namespace");
    // The map is given as a user namespace that has it, and the container's has the right one. Allowed only while the
    // mount is attached nowhere (mount_setattr(2)).
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)user};
    if (mount_setattr(mount, "", (recursive ? AT_RECURSIVE : 0) | AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot map the ids of %s (its file system must support id-mapped mounts)", what);
    return 0;
}

int mount_attach(int mount, int target, const char *what, bh_error *err) {
    // From fd to fd. A path would be looked up once more, and by then could lead elsewhere (CVE-2021-30465).
    if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return bh_fail(err, errno, "cannot mount %s", what);
    return 0;
}
