// The kernel's dangerous doors: system calls with a history of holes, and other ways to name the same calls.
#include "attempt.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

static int judge(const char *what, long result) {
    return result >= 0 ? got("%s", what) : stopped(what);
}

ATTEMPT(bpf) {
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return judge("bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
}

ATTEMPT(perf_event) {
    struct perf_event_attr event = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1};
    return judge("perf_event_open", syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
}

ATTEMPT(io_uring) {
    struct io_uring_params parameters = {0};
    return judge("io_uring_setup", syscall(SYS_io_uring_setup, 4, &parameters));
}

ATTEMPT(userfaultfd) {
    return judge("userfaultfd", syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */));
}

ATTEMPT(add_key) {
    return judge("add_key", syscall(SYS_add_key, "user", "escape", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

ATTEMPT(keyctl) {
    return judge("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1));
}

ATTEMPT(request_key) {
    // ENOKEY: the kernel has looked for it.
    long key = syscall(SYS_request_key, "user", "nobody-has-this-key", NULL, 0);
    return key >= 0 || errno == ENOKEY ? got("request_key") : stopped("request_key");
}

ATTEMPT(kexec) {
    // No segments: whatever kernel was loaded is let go, and nothing is started.
    return judge("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
}

ATTEMPT(load_module) {
    // ENOEXEC: the kernel has read it, and only its content was wrong.
    long result = syscall(SYS_init_module, "not a module", 12, "");
    return result == 0 || errno == ENOEXEC ? got("init_module") : stopped("init_module");
}

ATTEMPT(unload_module) {
    long result = syscall(SYS_delete_module, "no_such_module", O_NONBLOCK);
    return result == 0 || errno == ENOENT ? got("delete_module") : stopped("delete_module");
}

ATTEMPT(open_by_handle) {
    // Shocker: a file by its number, whatever mount it is on. The root directory's handle leads to any other.
    struct {
        struct file_handle head;
        unsigned char rest[MAX_HANDLE_SZ];
    } handle = {.head.handle_bytes = MAX_HANDLE_SZ};
    int mount;
    if (name_to_handle_at(AT_FDCWD, args[0] ? args[0] : "/", &handle.head, &mount, 0) < 0 && errno != EPERM)
        return stopped("name_to_handle_at");
    int directory = open(args[0] ? args[0] : "/", O_RDONLY | O_DIRECTORY);
    return judge("open_by_handle_at", open_by_handle_at(directory, &handle.head, O_RDONLY));
}

ATTEMPT(clone3) {
    struct clone_args clone = {.exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &clone, sizeof clone);
    if (pid == 0)
        _exit(0);
    return judge("clone3", pid);
}

ATTEMPT(kernel_log) {
    char text[4096];
    return judge("syslog", klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof text));
}

ATTEMPT(reboot) {
    return judge("reboot", reboot(RB_DISABLE_CAD));
}

ATTEMPT(set_clock) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return judge("settimeofday", settimeofday(&now, NULL));
}

ATTEMPT(io_ports) {
    return judge("iopl", syscall(SYS_iopl, 3));
}

ATTEMPT(swap) {
    // EINVAL or ENOENT: it may, and only the file was wrong.
    long result = syscall(SYS_swapon, "/no-such-file", 0);
    return result == 0 || errno == ENOENT ? got("swapon") : stopped("swapon");
}

ATTEMPT(realtime) {
    struct sched_param first = {.sched_priority = 1};
    return judge("sched_setscheduler", sched_setscheduler(0, SCHED_FIFO, &first));
}

ATTEMPT(priority) {
    return judge("setpriority", setpriority(PRIO_PROCESS, 0, -20));
}

ATTEMPT(more_files) {
    struct rlimit limit = {1 << 19, 1 << 19};
    return judge("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
}

// The calls of 32-bit programs have other numbers, which a filter for 64-bit ones would not know (seccomp(2)).
static long call_32(long number, long first, long second) {
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(first), "c"(second)
                     : "memory", "r8", "r9", "r10", "r11");
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

ATTEMPT(int80) {
    return judge("getpid by int 0x80", call_32(20, 0, 0));
}

ATTEMPT(int80_socketcall) {
    // socketcall(SYS_SOCKET, {family, type, protocol}): the arguments in memory that a 32-bit call can point to.
    unsigned *arguments = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    arguments[0] = (unsigned)atoi(args[0]);
    arguments[1] = (unsigned)atoi(args[1]);
    arguments[2] = 0;
    return judge("socketcall by int 0x80", call_32(102, 1, (long)arguments));
}

ATTEMPT(x32) {
    return judge("getpid by the x32 ABI", syscall(0x40000000 | SYS_getpid));
}

ATTEMPT(io_setup) {
    aio_context_t context = 0;
    return judge("io_setup", syscall(SYS_io_setup, 1, &context));
}

// huge_pages: pages that the host has set aside for something of its own.
ATTEMPT(huge_pages) {
    int file = memfd_create("huge", MFD_HUGETLB);
    if (file >= 0 && ftruncate(file, 2 << 20) == 0 && mmap(NULL, 2 << 20, PROT_READ, MAP_SHARED, file, 0) != MAP_FAILED)
        return got("a huge page in a file");
    void *page = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    return page != MAP_FAILED ? got("a huge page") : stopped("mmap");
}

// crash: with a limit of core dumps that is meant to let the kernel hand this one to a program of the host's.
ATTEMPT(crash) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    got("to crash");
    raise(SIGSEGV);
    return 1;
}

// core_handler FILE: what a host may run for each crash, as its root. It leaves FILE behind.
ATTEMPT(core_handler) {
    return creat(args[0], 0644) >= 0 ? 0 : 1;
}
