// `bulkhead checkpoint`: has CRIU write down a running container, which goes on afterwards, or stands still (--hold)
// for as long as it takes to find out whether it runs again elsewhere.
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/loop.h"
#include "runtime/criu.h"
#include "runtime/log.h"
#include "runtime/verbs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_S = 60, PARENTS_MAX = 4096 };

typedef struct checkpoint {
    const char *images;
    const char *group; // what stands still with --hold; NULL: the container's own
    bool hold;
    uint64_t limit_ms; // 0: none
    uint64_t deadline;
    state container;
} checkpoint;

// The parent of a process that has the name `process` in /proc; 0 when it is gone.
static pid_t parent_of(const char *process, char name[32]) {
    char path[64], stat[1024];
    bh_error gone;
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%.16s/stat", process);
    if (fs_read(AT_FDCWD, path, stat, sizeof stat, &gone) < 0)
        return 0;
    // "pid (name) state ppid …", and the name may hold anything.
    const char *begin = strchr(stat, '('), *end = strrchr(stat, ')');
    if (!begin || !end || sscanf(end, ") %*c %d", &parent) != 1)
        return 0;
    if (name)
        snprintf(name, 32, "%.*s", (int)(end - begin - 1), begin + 1);
    return parent;
}

static bool descends_from(pid_t pid, pid_t ancestor) {
    for (int steps = 0; pid > 1 && pid != ancestor && steps < PARENTS_MAX; steps++) {
        char process[16];
        snprintf(process, sizeof process, "%d", pid);
        pid = parent_of(process, NULL);
    }
    return pid == ancestor;
}

static ino_t pid_namespace_of(const char *process) {
    char path[64];
    struct stat info;
    snprintf(path, sizeof path, "/proc/%.16s/ns/pid", process);
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

// CRIU follows parents and children from the first process. One that `exec` has put into the container from outside is
// no child of anybody in there: it would be left behind without a word, and killed with the container.
static int check_tree(const state *container, bh_error *err) {
    char first[16];
    snprintf(first, sizeof first, "%d", container->pid);
    ino_t space = pid_namespace_of(first);
    cleanup_dir DIR *proc = opendir("/proc");
    if (!proc || !space)
        return bh_fail(err, errno, "cannot look at the processes of container %s", container->id);
    for (const struct dirent *entry; (entry = readdir(proc));) {
        char name[32] = "";
        if (!isdigit((unsigned char)*entry->d_name) || pid_namespace_of(entry->d_name) != space ||
            descends_from((pid_t)strtol(entry->d_name, NULL, 10), container->pid))
            continue;
        // It may have ended while this was asked.
        if (parent_of(entry->d_name, name) == 0)
            continue;
        bh_fail(err, 0,
                "\"%s\" (pid %s) was put into container %s from outside and is no child of its first process, so CRIU "
                "would leave it behind: end it first, or start it with exec --orphan",
                name, entry->d_name, container->id);
        err->code = ENOTSUP;
        return -1;
    }
    return 0;
}

// When everything is written down, before CRIU lets go: from here on nothing in the container moves, so that what runs
// again elsewhere is exactly what stands still here.
static int stage_reached(void *context, const char *stage, int file, bh_error *err) {
    const checkpoint *c = context;
    if (file >= 0)
        close(file);
    if (strcmp(stage, "post-dump") != 0)
        return 0;
    if (c->deadline && loop_now_ms() > c->deadline)
        return bh_fail(err, ETIMEDOUT, "it took longer than the %llu ms allowed; the container runs on",
                       (unsigned long long)c->limit_ms);
    return c->hold ? cgroup_freeze(c->group ? c->group : c->container.cgroup_path, true, err) : 0;
}

static int write_down(checkpoint *c, bh_error *err) {
    // Readable for those who have a descriptor of it: what CRIU restores opens its images as the container's own user.
    if (mkdir(c->images, 0755) < 0)
        return bh_fail(err, errno, "cannot make %s for what is written down", c->images);
    cleanup_fd int images = open(c->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (images < 0)
        return bh_fail(err, errno, "cannot open %s", c->images);
    c->deadline = c->limit_ms ? loop_now_ms() + c->limit_ms : 0;
    const criu_request request = {
        .pid = c->container.pid, .images = images, .patience_s = PATIENCE_S, .stage = stage_reached, .context = c};
    return criu_ask(&request, err) < 0 ? -1 : 0;
}

static int find_running(const settings *s, const char *id, state *found, bh_error *err) {
    cleanup_fd int dir = state_open_dir(s->root, id, err);
    if (dir < 0 || state_load(dir, id, found, err) < 0)
        return -1;
    state_status status = state_status_of(dir, found);
    if (status != STATE_RUNNING)
        return bh_fail(err, 0, "container %s is %s", id, state_status_name(status));
    if (!found->cgroup_path[0])
        return bh_fail(err, 0, "checkpoint needs linux.cgroupsPath, which container %s has not", id);
    if (cgroup_is_frozen(found->cgroup_path))
        return bh_fail(err, 0, "container %s is paused (bulkhead resume %s)", id, id);
    return 0;
}

int verb_checkpoint(const settings *s, int argc, char **argv, bh_error *err) {
    static const struct option options[] = {{"image-path", required_argument, NULL, 'i'},
                                            {"hold", no_argument, NULL, 'h'},
                                            {"cgroup", required_argument, NULL, 'g'},
                                            {"timeout-ms", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    checkpoint c = {.images = "checkpoint"};
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (option == 'i')
            c.images = optarg;
        else if (option == 'h')
            c.hold = true;
        else if (option == 'g')
            c.group = optarg;
        else if (option == 't')
            c.limit_ms = strtoull(optarg, NULL, 10);
        else
            return bh_fail(err, 0, "see bulkhead --help");
    }
    const char *id = verb_id(argc, argv, 0, err);
    if (!id)
        return -1;
    int result = find_running(s, id, &c.container, err);
    if (result == 0)
        result = check_tree(&c.container, err);
    if (result == 0 && write_down(&c, err) < 0)
        result = bh_wrap(err, "container %s", id);
    state_free(&c.container);
    return result < 0 ? verb_tell_cannot_move(err) : 0;
}

int verb_tell_cannot_move(const bh_error *err) {
    if (err->code != ENOTSUP)
        return -1;
    log_error(err->message);
    return VERB_CANNOT_MOVE;
}
