// Starting QEMU: its sockets and console are made here, as root, and handed to it open; then it is confined (vm_jail.h)
// and started (vm_command.h). See vm.h.
#include "broker/vm.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/selinux.h"
#include "broker/vm_command.h"
#include "broker/vm_console.h"
#include "broker/vm_jail.h"
#include "broker/vm_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// From execve to QMP's greeting; 0.1 s on an idle machine.
#define START_TIMEOUT_MS 20000

// What is open on the way. QEMU and the console's keeper hold their own copies once they run.
typedef struct opened {
    int link, qmp, events, console_read, console_write, log;
} opened;

static void cleanup_opened(opened *o) {
    int *all[] = {&o->link, &o->qmp, &o->events, &o->console_read, &o->console_write, &o->log};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cleanup_fd_(all[i]);
}

static int check_image(const vm_spec *spec, bh_error *err) {
    static const char *const files[] = {"vmlinux", "initrd.img", "disk.img"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", spec->image_dir, files[i]);
        if (access(path, R_OK) < 0)
            return bh_fail(err, errno, "the VM image lacks %s (labs/images/build makes it)", path);
    }
    if (access(VM_QEMU, X_OK) < 0)
        return bh_fail(err, errno, "cannot run " VM_QEMU " (apt-get install qemu-system-x86)");
    return 0;
}

static int set_address(struct sockaddr_un *address, const char *dir, const char *name, bh_error *err) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", dir, name) >= (int)sizeof address->sun_path)
        return bh_fail(err, ENAMETOOLONG, "cannot make the socket %s/%s", dir, name);
    return 0;
}

// Nobody can connect before listen(2), and by then owner and mode are right.
static int listen_at(const char *dir, const char *name, gid_t gid, mode_t mode, bh_error *err) {
    struct sockaddr_un address;
    if (set_address(&address, dir, name, err) < 0)
        return -1;
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return bh_fail(err, errno, "cannot make the socket %s", address.sun_path);
    if (chown(address.sun_path, 0, gid) < 0 || chmod(address.sun_path, mode) < 0 || listen(fd, 1) < 0)
        return bh_fail(err, errno, "cannot open the socket %s", address.sun_path);
    return take_fd(&fd);
}

static int open_all(const vm_spec *spec, opened *o, bh_error *err) {
    o->link = listen_at(spec->dir, "link.sock", spec->server_gid, 0660, err);
    o->qmp = o->link < 0 ? -1 : listen_at(spec->dir, "qmp.sock", 0, 0600, err);
    o->events = o->qmp < 0 ? -1 : listen_at(spec->dir, "events.sock", 0, 0600, err);
    if (o->events < 0)
        return -1;
    char log[512];
    snprintf(log, sizeof log, "%s/console.log", spec->dir);
    o->log = open(log, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (o->log < 0 || fchown(o->log, 0, spec->server_gid) < 0)
        return bh_fail(err, errno, "cannot make %s", log);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bh_fail(err, errno, "cannot make a pipe for the console of %s", spec->machine_id);
    o->console_read = ends[0];
    o->console_write = ends[1];
    return 0;
}

// The keeper of console.log, in the VM's cgroup and with its user id, so that it ends with the VM.
static pid_t start_console(const vm_spec *spec, const opened *o, bh_error *err) {
    pid_t pid = fork();
    if (pid < 0)
        return bh_fail(err, errno, "cannot fork for the console of %s", spec->machine_id);
    if (pid > 0)
        return pid;
    setsid();
    prctl(PR_SET_NAME, "console-log");
    bool confined = !spec->cgroup || cgroup_join_self(spec->cgroup, err) == 0;
    if (!confined || dup2(o->console_read, 0) < 0 || dup2(o->log, 1) < 0)
        _exit(1);
    close_range(2, ~0U, 0);
    if (chdir("/") < 0 || setresgid(spec->gid, spec->gid, spec->gid) < 0 ||
        setresuid(spec->uid, spec->uid, spec->uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        _exit(1);
    vm_console_keep(0, 1);
}

static bool has_label(const vm_spec *spec) {
    return spec->label && *spec->label;
}

static int set_label(const vm_spec *spec, bh_error *err) {
    cleanup_fd int proc = has_label(spec) ? open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    return has_label(spec) ? selinux_write_attribute(proc, "exec", spec->label, err) : 0;
}

// As the kernel says, from outside.
static int check_label(const vm_spec *spec, pid_t qemu, bh_error *err) {
    char label[SELINUX_LABEL_MAX];
    cleanup_fd int proc = has_label(spec) ? open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (!has_label(spec))
        return 0;
    if (selinux_read_attribute(proc, qemu, "current", label, err) < 0)
        return -1;
    return strcmp(label, spec->label) == 0
               ? 0
               : bh_fail(err, 0, "QEMU has the SELinux label %s, not %s", label, spec->label);
}

// Moves copies to the numbers that QEMU's command line has for them. They are made above all of those first, so that
// none is overwritten before it is moved.
static int hand_over(const vm_spec *spec, const opened *o) {
    const int from[] = {o->link, o->qmp, o->events, spec->memory ? spec->memory->ram : -1,
                        spec->memory ? spec->memory->state : -1};
    static const int to[] = {VM_LINK_FD, VM_QMP_FD, VM_EVENTS_FD, VM_RAM_FD, VM_STATE_FD};
    enum { COUNT = sizeof to / sizeof *to };
    int high[COUNT];
    for (int i = 0; i < COUNT; i++)
        if ((high[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, 10)) < 0 && from[i] >= 0)
            return -1;
    close_range(VM_LINK_FD, VM_STATE_FD, 0);
    for (int i = 0; i < COUNT; i++)
        if (high[i] >= 0 && dup2(high[i], to[i]) < 0)
            return -1;
    return close_range(VM_STATE_FD + 1, ~0U, 0);
}

static _Noreturn void become_qemu(const vm_spec *spec, const vm_command *command, const opened *o) {
    bh_error err;
    setsid();
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    // From here on what is said on standard error goes to the console's log.
    if (null < 0 || dup2(null, 0) < 0 || dup2(o->console_write, 1) < 0 || dup2(o->console_write, 2) < 0)
        _exit(127);
    if (hand_over(spec, o) < 0) {
        dprintf(2, "cannot hand the sockets to QEMU: %s\n", strerror(errno));
        _exit(127);
    }
    // Asked for now, for in its jail there is no /proc; it comes with the next exec, which is QEMU's.
    if (set_label(spec, &err) < 0 || vm_jail_enter(spec, &err) < 0) {
        dprintf(2, "%s\n", err.message);
        _exit(127);
    }
    static char *const no_environment[] = {NULL};
    execve(VM_QEMU, command->argv, no_environment);
    dprintf(2, "cannot run " VM_QEMU ": %s\n", strerror(errno));
    _exit(127);
}

// Why QEMU ended, in its own words.
static int fail_with_log(const vm_spec *spec, pid_t console, bh_error *err) {
    while (waitpid(console, NULL, 0) < 0 && errno == EINTR) // it ends at the end of the pipe, having written everything
        continue;
    char line[256];
    vm_console_last_line(spec->dir, line, sizeof line);
    return bh_fail(err, 0, "QEMU did not start for VM %s: %s", spec->machine_id, *line ? line : "it said nothing");
}

// QEMU greets on its QMP socket once the machine is made and about to run. Fails when it ends first.
static int wait_for_greeting(const vm_spec *spec, pid_t qemu, bh_error *err) {
    struct sockaddr_un address;
    if (set_address(&address, spec->dir, "qmp.sock", err) < 0)
        return -1;
    cleanup_fd int qmp = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cleanup_fd int ended = pidfd_open(qemu, 0);
    if (ended < 0 || qmp < 0 || connect(qmp, (struct sockaddr *)&address, sizeof address) < 0)
        return bh_fail(err, errno, "cannot reach the QEMU of VM %s", spec->machine_id);
    struct pollfd fds[] = {{ended, POLLIN, 0}, {qmp, POLLIN, 0}};
    int ready;
    while ((ready = poll(fds, 2, START_TIMEOUT_MS)) < 0 && errno == EINTR)
        continue;
    char greeting[16] = "";
    if (fds[1].revents & POLLIN)
        ready = recv(qmp, greeting, sizeof greeting - 1, 0) > 0;
    if (strncmp(greeting, "{\"QMP\"", 6) == 0)
        return 0;
    return bh_fail(err, ready == 0 ? ETIMEDOUT : 0, "the QEMU of VM %s does not answer", spec->machine_id);
}

static void end_process(pid_t pid) {
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

int vm_start(const vm_spec *spec, pid_t *pid, bh_error *err) {
    vm_command command;
    __attribute__((cleanup(cleanup_opened))) opened o = {-1, -1, -1, -1, -1, -1};
    if (vm_command_build(spec, &command, err) < 0 || check_image(spec, err) < 0 || open_all(spec, &o, err) < 0)
        return -1;
    pid_t console = start_console(spec, &o, err);
    if (console < 0)
        return -1;
    pid_t qemu = fork();
    if (qemu == 0)
        become_qemu(spec, &command, &o);
    int code = errno;
    // The keeper sees the end of the pipe only when nobody else can write to it.
    close(take_fd(&o.console_write));
    if (qemu < 0) {
        end_process(console);
        return bh_fail(err, code, "cannot fork for VM %s", spec->machine_id);
    }
    bh_error mislabelled = {0};
    bool greeted = wait_for_greeting(spec, qemu, err) == 0;
    if (!greeted || check_label(spec, qemu, &mislabelled) < 0) {
        bool had_ended = waitpid(qemu, NULL, WNOHANG) == qemu;
        if (!had_ended)
            end_process(qemu);
        fail_with_log(spec, console, err);
        if (mislabelled.message[0])
            *err = mislabelled;
        return -1;
    }
    vm_trace_step(spec->trace, "start QEMU", "confined: own user, cgroup, namespaces, system calls");
    *pid = qemu;
    return 0;
}
