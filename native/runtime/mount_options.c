// Mount options, and the few calls of the new mount API that everything here is made of: see mount_options.h.
#include "runtime/mount_options.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

// One word, and the MOUNT_ATTR_* bits it sets and clears.
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
    // The three ways to keep access times are one field: it has to be cleared as a whole (mount_setattr(2)).
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"defaults", 0, 0},
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

int mount_options_parse(const char *const *options, const char *where, mount_options *parsed, bh_error *err) {
    static const char *const unsupported[] = {"remount", "mand"};
    size_t count = 0;
    *parsed = (mount_options){0};
    for (; options && *options; options++) {
        const char *option = *options;
        for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
            if (strcmp(option, unsupported[i]) == 0)
                return bh_fail(err, 0, "%s.options: %s is not supported", where, option);
        if (strcmp(option, "bind") == 0 || strcmp(option, "rbind") == 0) {
            parsed->bind = true;
            parsed->recursive = *option == 'r';
        } else if (strcmp(option, "idmap") == 0 || strcmp(option, "ridmap") == 0) {
            parsed->idmap = true;
            parsed->recursive_ids = *option == 'r';
        } else if (strcmp(option, "tmpcopyup") == 0) {
            parsed->copy_up = true;
        } else if (mount_propagation(option)) {
            parsed->propagation = mount_propagation(option);
        } else if (!add_attribute(option, &parsed->set, &parsed->clear) &&
                   !(*option == 'r' && add_attribute(option + 1, &parsed->recursive_set, &parsed->recursive_clear))) {
            if (count + 1 == sizeof parsed->data / sizeof *parsed->data)
                return bh_fail(err, 0, "%s.options has too many entries", where);
            parsed->data[count++] = option;
        }
    }
    return 0;
}

// The kernel's own words about what was wrong, which fsopen(2) contexts collect; "" if it has none.
static const char *context_message(int fs, char *text, size_t size) {
    ssize_t got = read(fs, text, size - 1);
    text[got > 0 ? got : 0] = '\0';
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
        return bh_fail(err, code, "mount option \"%s\" %s", option, context_message(fs, message, sizeof message));
    }
    return 0;
}

int mount_new(const char *type, const char *source, const char *const *data, uint64_t attrs, bh_error *err) {
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
        return bh_fail(err, code, "cannot mount %s %s", type, context_message(fs, message, sizeof message));
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
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)user};
    if (mount_setattr(mount, "", (recursive ? AT_RECURSIVE : 0) | AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return bh_fail(err, errno, "cannot map the ids of %s (its file system must support id-mapped mounts)", what);
    return 0;
}

int mount_attach(int mount, int target, const char *what, bh_error *err) {
    if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return bh_fail(err, errno, "cannot mount %s", what);
    return 0;
}
