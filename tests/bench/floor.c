// How fast a full container could be started if nothing were checked, reported or remembered: every step that the
// kernel has to be asked for, straight after one another, with names and numbers written in. It is the floor that
// `bulkhead run` is measured against, and not a runtime: it trusts its image and stops at the first thing that fails.
//   floor ROOTFS GROUP PROGRAM [ARGUMENT]…
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const hierarchies[] = {"cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio"};

static _Noreturn void fail(const char *what) {
    perror(what);
    _exit(1);
}

#define must(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) < 0)                                                                                                \
            fail(#call);                                                                                               \
    } while (0)

static void write_file(const char *directory, const char *file, const char *value) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        fail(path);
    close(fd);
}

// cgroup v1 gives a new cpuset nothing, and nobody may join it before it has something.
static void copy_cpuset(const char *directory, const char *file) {
    char path[512], value[512];
    snprintf(path, sizeof path, "/sys/fs/cgroup/cpuset/%s", file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, value, sizeof value - 1);
    if (length < 0)
        fail(path);
    close(fd);
    value[length] = '\0';
    write_file(directory, file, value);
}

static void make_groups(const char *group) {
    char path[256];
    for (size_t i = 0; i < COUNT(hierarchies); i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", hierarchies[i], group);
        // Two names of one hierarchy (cpu and cpuacct often are): it is there already.
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            fail(path);
        if (strcmp(hierarchies[i], "cpuset") == 0) {
            copy_cpuset(path, "cpuset.cpus");
            copy_cpuset(path, "cpuset.mems");
        } else if (strcmp(hierarchies[i], "memory") == 0) {
            write_file(path, "memory.limit_in_bytes", "268435456");
        } else if (strcmp(hierarchies[i], "pids") == 0) {
            write_file(path, "pids.max", "128");
        } else if (strcmp(hierarchies[i], "cpu") == 0) {
            write_file(path, "cpu.cfs_period_us", "100000");
            write_file(path, "cpu.cfs_quota_us", "50000");
        } else if (strcmp(hierarchies[i], "devices") == 0) {
            static const char *const allowed[] = {"c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",
                                                  "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"};
            write_file(path, "devices.deny", "a");
            for (size_t rule = 0; rule < COUNT(allowed); rule++)
                write_file(path, "devices.allow", allowed[rule]);
        }
    }
}

// Only its own single thread, and by writing 0: that is what does not wait for the kernel's grace periods.
static void join_groups(const char *group) {
    char path[256];
    for (size_t i = 0; i < COUNT(hierarchies); i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", hierarchies[i], group);
        write_file(path, "tasks", "0");
    }
}

static void remove_groups(const char *group) {
    char path[256];
    for (size_t i = 0; i < COUNT(hierarchies); i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", hierarchies[i], group);
        rmdir(path);
    }
}

// On cgroup v2 one group does for all, and the child is born in it. Returns its fd.
static int make_unified_group(const char *group) {
    char path[256];
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s", group);
    must(mkdir(path, 0755));
    write_file(path, "memory.max", "268435456");
    write_file(path, "pids.max", "128");
    write_file(path, "cpu.max", "50000 100000");
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

// The image below, a tmpfs above: what is written goes with the container. They are put together on /proc, where no
// image lies.
static void make_root(const char *image) {
    char options[512];
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)); // nothing of this reaches the host
    must(mount("floor", "/proc", "tmpfs", MS_NODEV, "mode=0755,size=67108864,nr_inodes=20000"));
    must(mkdir("/proc/upper", 0755));
    must(mkdir("/proc/work", 0755));
    must(mkdir("/proc/root", 0755));
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=/proc/upper,workdir=/proc/work", image);
    must(mount("floor", "/proc/root", "overlay", 0, options));
    must(chdir("/proc/root"));
}

static void make_mounts(void) {
    must(mount("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
    must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k"));
    must(mkdir("dev/pts", 0755));
    must(mkdir("dev/shm", 0755));
    must(mkdir("dev/mqueue", 0755));
    must(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    must(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=16777216"));
    must(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
    must(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL));
    must(mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=16777216"));
}

static void make_devices(void) {
    static const struct {
        const char *path;
        unsigned major, minor;
    } devices[] = {{"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
                   {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
    static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"},
                                           {"/proc/self/fd/0", "dev/stdin"},
                                           {"/proc/self/fd/1", "dev/stdout"},
                                           {"/proc/self/fd/2", "dev/stderr"},
                                           {"pts/ptmx", "dev/ptmx"}};
    umask(0);
    for (size_t i = 0; i < COUNT(devices); i++)
        must(mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)));
    for (size_t i = 0; i < COUNT(links); i++)
        must(symlink(links[i][0], links[i][1]));
}

static void mask_paths(void) {
    static const char *const hidden[] = {"proc/acpi",          "proc/kcore",      "proc/keys",
                                         "proc/latency_stats", "proc/timer_list", "proc/sched_debug",
                                         "proc/scsi",          "sys/firmware",    "sys/fs/selinux"};
    static const char *const readonly[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};
    struct stat info;
    for (size_t i = 0; i < COUNT(hidden); i++) {
        if (stat(hidden[i], &info) < 0)
            continue;
        if (S_ISDIR(info.st_mode))
            must(mount("masked", hidden[i], "tmpfs", MS_RDONLY | MS_NOEXEC, "size=0,nr_inodes=1"));
        else
            must(mount("dev/null", hidden[i], NULL, MS_BIND, NULL));
    }
    for (size_t i = 0; i < COUNT(readonly); i++) {
        if (stat(readonly[i], &info) < 0)
            continue;
        must(mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL));
        must(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    }
}

static void drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
        ;
    must(syscall(SYS_capset, &header, none));
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

// A list of about a hundred system calls that are allowed, one comparison each.
static void load_filter(void) {
    static const int needed[] = {
        SYS_execve,     SYS_exit_group, SYS_write, SYS_set_tid_address, SYS_set_robust_list,
        SYS_rseq,       SYS_prlimit64,  SYS_brk,   SYS_readlinkat,      SYS_getrandom,
        SYS_prctl,      SYS_mprotect,   SYS_futex, SYS_clock_gettime,
#ifdef SYS_arch_prctl
        SYS_arch_prctl,
#endif
    };
    enum { FIRST = 85 };
    struct sock_filter code[2 * (FIRST + COUNT(needed)) + 2];
    size_t length = 0;
    code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < FIRST + COUNT(needed); i++) {
        unsigned number = i < FIRST ? (unsigned)i : (unsigned)needed[i - FIRST];
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    struct sock_fprog program = {.len = (unsigned short)length, .filter = code};
    must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static _Noreturn void become_container(const char *image, const char *group, bool unified, char **program) {
    if (!unified)
        join_groups(group);
    must(unshare(CLONE_NEWCGROUP)); // from here its group is the root of what it sees
    must(setsid());
    must(sethostname("box", 3));
    make_root(image);
    make_mounts();
    make_devices();
    mask_paths();
    must(syscall(SYS_pivot_root, ".", "."));
    must(umount2(".", MNT_DETACH));
    must(chdir("/"));
    drop_capabilities();
    load_filter();
    execv(program[0], program);
    fail(program[0]);
}

int main(int argc, char **argv) {
    int status = 0;
    if (argc < 4) {
        fprintf(stderr, "usage: floor ROOTFS GROUP PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
                              .exit_signal = SIGCHLD};
    bool unified = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
    if (unified) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)make_unified_group(argv[2]);
    } else {
        make_groups(argv[2]);
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0)
        become_container(argv[1], argv[2], unified, argv + 3);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        fail("clone3");
    if (unified) {
        char path[256];
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s", argv[2]);
        must(rmdir(path));
    } else {
        remove_groups(argv[2]);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
