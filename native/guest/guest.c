// bulkheadd as pid 1 of a VM: from the kernel's hand-over to a broker that serves the host. See guest.h.
#include "guest/guest.h"

#include "base/cleanup.h"
#include "base/command_line.h"
#include "base/loop.h"
#include "broker/broker.h"
#include "broker/log.h"
#include "broker/vm_end.h"
#include "guest/boot_trace.h"
#include "guest/identity.h"
#include "guest/link_port.h"
#include "guest/mounts.h"
#include "guest/selinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_DIR "/run/bulkhead"
// Ids for containers in the VM. Any range will do: nothing in a guest has a user above 65534.
#define ID_BASE 0x50000000
// The processor is a program: some ten times slower than the one below it, in a reader's tab fifty times, and where
// many want that one slower still. To open a terminal takes seconds there.
#define EMULATED_PARAMETER "bulkhead.emulated"
#define EMULATED_PATIENCE_PERCENT 400

// The root file system lives in memory and on a read-only disk, so there is nothing to save. The kernel was started
// with `reboot=t` and QEMU with -no-reboot: a restart ends the VM on every machine type, whether it has ACPI or not.
// Which of the two ends was meant is said on the console.
static _Noreturn void end_vm(void) {
    reboot(RB_AUTOBOOT);
    for (;;)
        pause();
}

// Every step of the boot, in order. Each works on what those before it made.
static int boot(bh_error *err) {
    if (mount_kernel_views(err) < 0 || start_selinux(err) < 0 || load_modules(err) < 0)
        return -1;
    if (mount_root(err) < 0 || keep_programs(STATE_DIR, err) < 0 || keep_policy(err) < 0 || switch_root(err) < 0)
        return -1;
    if (mount_the_rest(err) < 0 || mount_cgroups(err) < 0)
        return -1;
    return set_identity(err) < 0 || bring_up_loopback(err) < 0 ? -1 : 0;
}

// What ends a VM from within: `kill 1`, busybox's halt, poweroff and reboot, Ctrl-Alt-Del.
static void asked_to_end(loop_source *source, uint32_t events) {
    (void)events;
    struct signalfd_siginfo info = {0};
    (void)!read(source->fd, &info, sizeof info);
    // busybox's halt is SIGUSR1, its poweroff SIGUSR2, its reboot SIGTERM; SIGPWR is a failing supply.
    bool off = info.ssi_signo == SIGUSR1 || info.ssi_signo == SIGUSR2 || info.ssi_signo == SIGPWR;
    log_info("%s", off ? VM_END_SAYS_POWEROFF : VM_END_SAYS_REBOOT);
    end_vm();
}

static int watch_for_the_end(loop *l, loop_source *source, bh_error *err) {
    sigset_t ends;
    sigemptyset(&ends);
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGPWR};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&ends, signals[i]);
    // A signal without a handler is not delivered to pid 1 at all (signal(7)), and a blocked one waits for signalfd.
    sigprocmask(SIG_BLOCK, &ends, NULL);
    *source = (loop_source){signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK), asked_to_end};
    if (source->fd < 0)
        return bh_fail(err, errno, "cannot watch for signals");
    reboot(RB_DISABLE_CAD); // Ctrl-Alt-Del is SIGINT to pid 1
    return loop_add(l, source, EPOLLIN, err);
}

static int serve(boot_step *init, bh_error *err) {
    loop *l = loop_new(err);
    if (!l)
        return -1;
    static loop_source end;
    if (watch_for_the_end(l, &end, err) < 0)
        return -1;
    broker_config config = {
        .guest = true,
        .state_dir = STATE_DIR,
        .images_dir = STATE_DIR "/images",
        .programs_dir = STATE_DIR "/bin",
        .cgroup_parent = "bulkhead",
        .id_base = ID_BASE,
        .accel = "auto",
        .nesting = "host", // the VM is what keeps a nested container from the neighbours
        .boot = boot_trace(),
        .renew = renew_identity,
    };
    char unused[2];
    if (kernel_parameter(EMULATED_PARAMETER, unused, sizeof unused))
        config.patience_percent = EMULATED_PATIENCE_PERCENT;
    broker *b = broker_new(&config, l, err);
    if (!b || link_port_open(b, l, err) < 0)
        return -1;
    boot_step_end(init);
    log_info("the guest is up: its broker listens on the link");
    return loop_run(l, err);
}

// Standard input is nothing, output and errors go to the serial console: what the kernel gave pid 1 is the console
// for all three, and it is never to wait for a key.
static void detach_input(void) {
    int null = open("/dev/null", O_RDONLY);
    if (null > 0) {
        dup2(null, 0);
        close(null);
    }
}

_Noreturn void guest_main(void) {
    bh_error err = {0};
    // The kernel starts pid 1 with whatever its initramfs unpacker had.
    umask(022);
    boot_trace_kernel();
    boot_step init; // contains all that follow
    boot_step_begin(&init, "init", "native/" __FILE__, __LINE__);
    boot_step_detail(&init, "bulkheadd as pid 1, until its broker listens");
    if (boot(&err) == 0) {
        detach_input();
        serve(&init, &err);
    }
    log_error("the guest cannot go on: %s", err.message);
    end_vm();
}
