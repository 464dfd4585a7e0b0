// Walks over one cgroup directory and the groups below it: listing, killing, removing. See cgroup_backend.h.
#include "base/cgroup_backend.h"
#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

int cgroup_tree_make(const char *directory, bh_error *err) {
    if (mkdir(directory, 0755) == 0)
        return 1;
    const char *hint = errno == EAGAIN ? " (cgroup.max.descendants or cgroup.max.depth of a group above is reached)"
                       : errno == EROFS || errno == EACCES ? " (is it delegated to us, and mounted writable?)"
                                                           : "";
    return errno == EEXIST ? 0 : bh_fail(err, errno, "cannot create cgroup %s%s", directory, hint);
}

typedef struct pid_list {
    pid_t *pids;
    int count, room;
} pid_list;

static int append_pids(int directory, pid_list *list, bh_error *err) {
    int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENODEV ? 0 : bh_fail(err, errno, "cannot open cgroup.procs");
    cleanup_file FILE *file = fdopen(fd, "r");
    if (!file)
        return bh_fail(err, errno, "cannot read cgroup.procs");
    // A threaded group cannot be read (EOPNOTSUPP), and need not: its processes are listed where their domain is, which
    // is above it. 0 is a process outside of our pid namespace; kill(2) would take it for our own group.
    errno = 0;
    for (int pid; fscanf(file, "%d", &pid) == 1;) {
        if (pid <= 0)
            continue;
        if (list->count == list->room) {
            list->room = list->room ? 2 * list->room : 64;
            pid_t *grown = realloc(list->pids, (size_t)list->room * sizeof *grown);
            if (!grown)
                return bh_fail(err, ENOMEM, "cannot list the processes of a cgroup");
            list->pids = grown;
        }
        list->pids[list->count++] = pid;
    }
    // Half a list would be taken for the whole: an empty group is removed, one with processes is not.
    if (ferror(file) && errno != EOPNOTSUPP && errno != ENODEV)
        return bh_fail(err, errno, "cannot read cgroup.procs");
    return 0;
}

// Calls `visit` on the groups below `directory`, deepest first, then on itself.
static int walk(int parent, const char *name, int (*visit)(int parent, const char *name, void *context, bh_error *err),
                void *context, bh_error *err) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : bh_fail(err, errno, "cannot open cgroup %s", name);
    cleanup_dir DIR *entries = fdopendir(fd);
    if (!entries) {
        close(fd);
        return bh_fail(err, errno, "cannot read cgroup %s", name);
    }
    for (struct dirent *entry; errno = 0, (entry = readdir(entries));)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && walk(fd, entry->d_name, visit, context, err) < 0)
            return -1;
    if (errno != 0 && errno != ENOENT) // ENOENT: the group has been removed meanwhile
        return bh_fail(err, errno, "cannot read cgroup %s", name);
    return visit(parent, name, context, err);
}

static int visit_pids(int parent, const char *name, void *context, bh_error *err) {
    cleanup_fd int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : bh_fail(err, errno, "cannot open cgroup %s", name);
    return append_pids(fd, context, err);
}

int cgroup_tree_pids(const char *directory, pid_t **pids, bh_error *err) {
    pid_list list = {0};
    if (walk(AT_FDCWD, directory, visit_pids, &list, err) < 0) {
        free(list.pids);
        return -1;
    }
    *pids = list.pids;
    return list.count;
}

static bool contains(const pid_t *pids, int count, pid_t wanted) {
    for (int i = 0; i < count; i++)
        if (pids[i] == wanted)
            return true;
    return false;
}

int cgroup_tree_signal(const char *directory, int number, bh_error *err) {
    cleanup_free pid_t *before = NULL;
    int count = cgroup_tree_pids(directory, &before, err);
    if (count <= 0)
        return count;
    cleanup_free int *handles = malloc((size_t)count * sizeof *handles);
    if (!handles)
        return bh_fail(err, ENOMEM, "cannot send a signal to the processes of %s", directory);
    for (int i = 0; i < count; i++)
        handles[i] = pidfd_open(before[i], 0);
    // A pid may have been reused between reading the list and opening it. One that is in the group now, after it
    // was opened, is the process that was opened.
    cleanup_free pid_t *after = NULL;
    int still = cgroup_tree_pids(directory, &after, err);
    for (int i = 0; i < count; i++) {
        if (handles[i] < 0)
            continue;
        if (contains(after, still, before[i]))
            pidfd_send_signal(handles[i], number, NULL, 0);
        close(handles[i]);
    }
    return still < 0 ? -1 : 0;
}

static int visit_remove(int parent, const char *name, void *context, bh_error *err) {
    if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return bh_fail(err, errno, "cannot remove cgroup %s (of %s)", name, (const char *)context);
    return 0;
}

int cgroup_tree_remove(const char *directory, bh_error *err) {
    if (rmdir(directory) == 0 || errno == ENOENT)
        return 0;
    // EBUSY says that there are processes in it, or groups below; the walk finds out.
    return walk(AT_FDCWD, directory, visit_remove, (void *)directory, err);
}

int64_t cgroup_find_number(const char *text, const char *key) {
    const char *number = text;
    if (key) {
        size_t length = strlen(key);
        while (number && !(strncmp(number, key, length) == 0 && number[length] == ' '))
            number = (number = strchr(number, '\n')) ? number + 1 : NULL;
        if (!number)
            return -1;
        number += length;
    }
    char *end;
    int64_t value = strtoll(number, &end, 10);
    return end == number ? -1 : value;
}

int64_t cgroup_read_number(const char *directory, const char *file, const char *key) {
    char path[512], text[8192];
    bh_error ignored;
    snprintf(path, sizeof path, "%s/%s", directory, file);
    return fs_read(AT_FDCWD, path, text, sizeof text, &ignored) < 0 ? -1 : cgroup_find_number(text, key);
}

int cgroup_write_number(const char *directory, const char *file, int64_t value, bh_error *err) {
    char path[512], text[32];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    if (value == CGROUP_UNLIMITED)
        strcpy(text, "max");
    else
        snprintf(text, sizeof text, "%" PRId64, value);
    return fs_write(AT_FDCWD, path, text, err);
}
