// Words for the steps of a launch: see explain.h.
#include "runtime/explain.h"
#include "runtime/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *step, *words;
} words[] = {
    {"config.json", "read what the container is to be"},
    {"open", "open, while still root of the host, all that only it may open"},
    {"seccomp", "compile the filter of system calls"},
    {"cgroup", "make a group that bounds what it can use up"},
    {"setns", "go into namespaces that exist already"},
    {"clone3", "make its first process, in namespaces of its own"},
    {"id maps", "say which of the host's user ids its ids stand for"},
    {"idmapped lower layer", "let the image's files belong to those ids, without changing one"},
    {"join cgroup", "put the process into its group, before it can use anything"},
    {"host name", "give it a host name and a loopback interface"},
    {"propagation", "keep its mounts from the host, and the host's from it"},
    {"root", "put its root file system together"},
    {"mount", "mount what programs expect to find"},
    {"devices", "give it the few devices that harm nobody"},
    {"console", "open a terminal inside and hand the other end out"},
    {"masks", "cover what the kernel would tell or let it change"},
    {"hook", "run a program that config.json wants run at this moment"},
    {"pivot_root", "make that its root and let go of the host's: there is no way back"},
    {"SELinux label", "say which label its program is to have"},
    {"privileges", "become its user and drop every capability it is not to have"},
    {"seccomp listener", "hand its filter's questions to the agent that answers them"},
    {"label check", "read that label back from outside, before anything of the container runs"},
    {"exec", "load the filter and turn into its program"},
};

int explain_begin(bh_error *err) {
    // Its own fd: with a terminal, 2 becomes the container's.
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return bh_fail(err, errno, "cannot explain on standard error");
    trace_explain = true;
    return trace_to(fd, err);
}

int explain_line(char *line, size_t size, const char *step, uint64_t start_ns, uint64_t end_ns, uint64_t begin_ns,
                 const char *detail, const char *source) {
    const char *said = step;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(step, words[i].step) == 0)
            said = words[i].words;
    int length = snprintf(line, size, "%7.2f ms  %s: %s  (%.2f ms, %s)\n", (double)(start_ns - begin_ns) / 1e6, said,
                          detail, (double)(end_ns - start_ns) / 1e6, source);
    // Paths are config.json's, and this goes to a terminal.
    for (char *c = line; c < line + length - 1; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    return length;
}
