// What two containers with the same user can do to each other, and to the policy, when nothing but SELinux stands between
// them. Compiled in the VM of selinux.test.ts; each attempt is a line "what: done" or "what: why not".
//
//     attempts victim DIR        leaves things about, tells what in DIR/facts, and waits
//     attempts neighbour DIR PID SHM KEY
//     attempts policy DIR
//     attempts keyring DIR       the label of its session keyring
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/keyctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <signal.h>
#include <unistd.h>

#define SOCKET_NAME "\0of-the-victim"

static const char *dir;

static void tell(const char *what, int failed) {
    printf("%s: %s\n", what, failed ? strerror(errno) : "done");
}

// Good until the next call but one.
static const char *in_dir(const char *name) {
    static char paths[2][256];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", dir, name);
    return paths[turn];
}

// Opens and reads or writes one byte.
static int use(const char *path, int flags) {
    char byte = 'x';
    int fd = open(path, flags);
    if (fd < 0)
        return -1;
    ssize_t moved = (flags & O_ACCMODE) == O_RDONLY ? read(fd, &byte, 1) : write(fd, &byte, 1);
    int code = errno;
    close(fd);
    errno = code;
    return moved < 0 ? -1 : 0;
}

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, strlen(text) + 1);
    int code = errno;
    close(fd);
    errno = code;
    return written < 0 ? -1 : 0;
}

static struct sockaddr_un socket_address(socklen_t *length) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, SOCKET_NAME, sizeof SOCKET_NAME - 1);
    *length = offsetof(struct sockaddr_un, sun_path) + sizeof SOCKET_NAME - 1;
    return address;
}

static const char *keyring_label(void) {
    static char label[256];
    syscall(SYS_keyctl, KEYCTL_GET_SECURITY, KEY_SPEC_SESSION_KEYRING, label, sizeof label);
    return label;
}

static int victim(void) {
    socklen_t length;
    struct sockaddr_un address = socket_address(&length);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    umask(0);
    close(open(in_dir("secret"), O_WRONLY | O_CREAT, 0666));
    close(open(in_dir("precious"), O_WRONLY | O_CREAT, 0666));
    use(in_dir("secret"), O_WRONLY);
    close(open("/dev/mqueue/queue", O_RDWR | O_CREAT, 0666));
    int shm = shmget(IPC_PRIVATE, 4096, 0666);
    long key = syscall(SYS_add_key, "user", "bulkhead", "secret", 6L, KEY_SPEC_SESSION_KEYRING);
    syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f3f3fL);
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 8) < 0)
        return 1;
    FILE *facts = fopen(in_dir("facts.new"), "w");
    fprintf(facts, "%d %d %ld %s\n", getpid(), shm, key, keyring_label());
    fclose(facts);
    rename(in_dir("facts.new"), in_dir("facts"));
    for (;;)
        pause();
}

static void in_proc(pid_t pid, const char *what, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    tell(what, use(path, O_RDONLY));
}

static int neighbour(pid_t pid, int shm, long key) {
    char bytes[64], path[64];
    struct iovec here = {bytes, 8}, there = {&dir, 8}; // any address: who may not, hears so before it is looked at
    struct rlimit limit;
    socklen_t length;
    struct sockaddr_un address = socket_address(&length);
    tell("read its file", use(in_dir("secret"), O_RDONLY));
    tell("write to its file", use(in_dir("secret"), O_WRONLY | O_APPEND));
    tell("rename its file", rename(in_dir("precious"), in_dir("stolen")));
    tell("read its message queue", use("/dev/mqueue/queue", O_RDONLY));
    tell("signal it", kill(pid, SIGCONT));
    tell("trace it", ptrace(PTRACE_SEIZE, pid, 0, 0) < 0);
    ptrace(PTRACE_DETACH, pid, 0, 0);
    tell("read its memory", process_vm_readv(pid, &here, 1, &there, 1, 0) < 0 && errno != EFAULT);
    in_proc(pid, "read its environment", "environ");
    in_proc(pid, "read its command line", "cmdline");
    snprintf(path, sizeof path, "/proc/%d/root/etc/hostname", pid);
    tell("look through its root", access(path, F_OK) < 0 && errno != ENOENT);
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
    tell("open its namespaces", open(path, O_RDONLY) < 0);
    tell("change its priority", setpriority(PRIO_PROCESS, (id_t)pid, 5));
    tell("change its limits", prlimit(pid, RLIMIT_NOFILE, NULL, &limit));
    tell("attach its shared memory", shmat(shm, NULL, SHM_RDONLY) == (void *)-1);
    tell("remove its shared memory", shmctl(shm, IPC_RMID, NULL));
    tell("connect to its socket", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, length));
    tell("read its key", syscall(SYS_keyctl, KEYCTL_READ, key, bytes, sizeof bytes) < 0);
    return 0;
}

static int policy(void) {
    static const char other[] = "system_u:system_r:shell_t:s0";
    static const char file[] = "system_u:object_r:host_file_t:s0";
    tell("turn enforcement off", write_text("/sys/fs/selinux/enforce", "0"));
    tell("load a policy", write_text("/sys/fs/selinux/load", "no policy"));
    tell("become another", write_text("/proc/self/attr/current", other));
    tell("have programs become another", write_text("/proc/self/attr/exec", other));
    tell("make files of another type", write_text("/proc/self/attr/fscreate", file));
    tell("make sockets of another", write_text("/proc/self/attr/sockcreate", other));
    tell("make keys of another", write_text("/proc/self/attr/keycreate", other));
    tell("drop its categories", write_text("/proc/self/attr/current", "system_u:system_r:container_t:s0"));
    close(open(in_dir("own"), O_WRONLY | O_CREAT, 0666));
    tell("relabel its own file", setxattr(in_dir("own"), "security.selinux", file, sizeof file, 0));
    tell("mount a file system", mount("none", "/mnt", "tmpfs", 0, NULL));
    tell("mount one with a label", mount("none", "/mnt", "tmpfs", 0, "context=system_u:object_r:host_file_t:s0"));
    tell("read a file of the host", use("/host/hostname", O_RDONLY));
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    dir = argv[2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(argv[1], "victim") == 0)
        return victim();
    if (strcmp(argv[1], "keyring") == 0)
        return puts(keyring_label()) < 0;
    if (strcmp(argv[1], "policy") == 0)
        return policy();
    return argc < 6 ? 2 : neighbour(atoi(argv[3]), atoi(argv[4]), atol(argv[5]));
}
