// QEMU's command line: see vm_command.h.
#include "broker/vm_command.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024 * 1024)

const char *vm_machine(const char *accel) {
    return strcmp(accel, "kvm") == 0 ? "microvm" : "q35";
}

// Appends one argument. What does not fit is noticed at the end: see vm_command_build.
__attribute__((format(printf, 2, 3))) static void add(vm_command *c, const char *format, ...) {
    size_t room = sizeof c->text - c->used;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(c->text + c->used, room, format, args);
    va_end(args);
    if (length >= 0 && (size_t)length < room && c->count < VM_ARGUMENTS_MAX) {
        c->argv[c->count] = c->text + c->used;
        c->used += (size_t)length + 1;
    }
    c->count++;
}

// Names go into option strings, where a comma begins the next option, and onto the kernel's command line, where a space
// does. The broker has checked them; this is the place where a mistake there would hurt.
static bool is_plain(const char *name) {
    for (const char *at = name; *at; at++) {
        if (!isascii(*at) || !(isalnum(*at) || *at == '-' || *at == '.'))
            return false;
    }
    return *name != '\0' && strlen(name) <= 64;
}

static void add_machine(vm_command *c, const vm_spec *spec, bool kvm) {
    add(c, "-machine");
    if (kvm)
        add(c, "microvm,rtc=on,isa-serial=on,usb=off,memory-backend=ram");
    else
        // Without hpet and vmport, as measured; without disk controller, SMBus and keyboard, which nobody uses.
        add(c, "q35,hpet=off,vmport=off,sata=off,smbus=off,i8042=off,usb=off,memory-backend=ram");
    add(c, "-accel");
    // The cache of translated code is 1 GiB otherwise, and it is the VM's cgroup that pays.
    add(c, kvm ? "kvm" : "tcg,tb-size=64");
    add(c, "-cpu");
    add(c, "%s,-vmx,-svm", kvm ? "host" : "max"); // no virtual machines within: a wide piece of host kernel
    add(c, "-smp");
    add(c, "%d", spec->cpus);
    add(c, "-m");
    add(c, "%" PRId64, spec->memory_bytes / MIB);
    // Of one name in every VM, for what is saved of one is given to another by the names of its parts.
    add(c, "-object");
    if (spec->memory && spec->memory->ram >= 0)
        // By a path, since QEMU opens it itself; a memfd has none but in /proc.
        add(c, "memory-backend-file,id=ram,size=%" PRId64 "M,mem-path=" VM_FDS_IN_JAIL "/%d,share=%s",
            spec->memory_bytes / MIB, VM_RAM_FD, spec->memory->copy ? "off" : "on");
    else
        add(c, "memory-backend-ram,id=ram,size=%" PRId64 "M", spec->memory_bytes / MIB);
    if (spec->memory && spec->memory->copy) {
        add(c, "-incoming");
        add(c, "defer"); // until the monitor has been told what is not in the stream (vm_template.c)
    }
}

static void add_boot(vm_command *c, const vm_spec *spec, bool kvm) {
    add(c, "-kernel");
    add(c, VM_IMAGE_IN_JAIL "/vmlinux");
    add(c, "-initrd");
    add(c, VM_IMAGE_IN_JAIL "/initrd.img");
    add(c, "-append");
    // A panic restarts the guest at once (panic=-1) by a triple fault (reboot=t), and a restart ends QEMU (-no-reboot).
    // The rest is for a guest that does nothing to cost nothing: its kernel would look twice a second whether memory
    // wants to be moved together, and count pages every second. (That it also looks whether the TSC can be trusted has
    // to stay: on a busy host it is now and then measured wrong at boot, and time then runs at another speed.)
    // An emulated processor is a share of a busy one, and slow at that: the broker in there has more patience.
    add(c,
        "console=ttyS0 quiet panic=-1 reboot=t mitigations=off sysctl.vm.compaction_proactiveness=0 "
        "sysctl.vm.stat_interval=30%s%s rdinit=/bin/bulkheadd bulkhead.hostname=%s",
        spec->selinux ? " security=selinux" : "", kvm ? "" : " bulkhead.emulated", spec->hostname);
    add(c, "-no-reboot");
}

static void add_devices(vm_command *c, const char *bus) {
    // Nothing but what follows: no network, no display, no drives, none of the user's configuration files.
    add(c, "-nodefaults");
    add(c, "-no-user-config");
    add(c, "-display");
    add(c, "none");
    // All VMs share the disk, so none may lock it.
    add(c, "-blockdev");
    add(c, "driver=raw,node-name=disk,read-only=on,file.driver=file,file.locking=off,"
           "file.filename=" VM_IMAGE_IN_JAIL "/disk.img");
    add(c, "-device");
    add(c, "virtio-blk-%s,drive=disk", bus);

    add(c, "-chardev");
    add(c, "socket,id=link,fd=%d,server=on,wait=off", VM_LINK_FD);
    add(c, "-device");
    add(c, "virtio-serial-%s,max_ports=2", bus);
    add(c, "-device");
    add(c, "virtserialport,chardev=link,name=org.bulkhead.link");

    // Standard input is /dev/null, standard output a pipe to whoever keeps the console's log (vm_console.h).
    add(c, "-chardev");
    add(c, "stdio,id=console,signal=off");
    add(c, "-serial");
    add(c, "chardev:console");
    add(c, "-chardev");
    add(c, "socket,id=qmp,fd=%d,server=on,wait=off", VM_QMP_FD);
    add(c, "-mon");
    add(c, "chardev=qmp,mode=control");
    // A second monitor, for whoever only listens (vm_watch.h): a socket's chardev serves one connection at a time.
    add(c, "-chardev");
    add(c, "socket,id=events,fd=%d,server=on,wait=off", VM_EVENTS_FD);
    add(c, "-mon");
    add(c, "chardev=events,mode=control");
    // One byte of I/O port, with which the guest's kernel says that it panics (qemu: docs/specs/pvpanic). On the ISA
    // bus, which both machine types have. QEMU tells whoever listens, and ends.
    add(c, "-device");
    add(c, "pvpanic");
}

int vm_command_build(const vm_spec *spec, vm_command *command, bh_error *err) {
    if (!is_plain(spec->machine_id) || !is_plain(spec->hostname))
        return bh_fail(err, EINVAL, "cannot start a VM named %s with host name %s", spec->machine_id, spec->hostname);
    if (spec->memory_bytes < 64 * MIB || spec->cpus < 1)
        return bh_fail(err, EINVAL, "cannot start VM %s with %" PRId64 " bytes of memory and %d CPUs", spec->machine_id,
                       spec->memory_bytes, spec->cpus);
    bool kvm = strcmp(spec->accel, "kvm") == 0;
    *command = (vm_command){0};
    add(command, VM_QEMU);
    add(command, "-name");
    add(command, "%s", spec->machine_id);
    add_machine(command, spec, kvm);
    add_boot(command, spec, kvm);
    add_devices(command, kvm ? "device" : "pci");
    add(command, "-sandbox");
    add(command, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    if (command->count > VM_ARGUMENTS_MAX || !command->argv[command->count - 1])
        return bh_fail(err, E2BIG, "the command line of VM %s is too long", spec->machine_id);
    return 0;
}
