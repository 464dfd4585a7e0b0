// Virtual machines: whether KVM runs one, QEMU is there, and guests could run guests.
#include "broker/vm_command.h"
#include "probe/kvm.h"
#include "probe/probe.h"
#include "probe/sysfile.h"

#include <string.h>
#include <unistd.h>

static void find_kvm(json_t *report) {
    // Not a look at /proc/cpuinfo or the device's mode: both are right on machines where no guest ever runs.
    bh_error err = {0};
    bool runs = kvm_try(&err) == 0;
    bool absent = access("/dev/kvm", F_OK) < 0;
    probe_add(report,
              &(probe_finding){
                  .group = "vms",
                  .name = "kvm",
                  .state = runs ? PROBE_GOOD : PROBE_WEAK,
                  .value = json_boolean(runs),
                  .shown = runs ? "a guest ran" : (absent ? "there is no /dev/kvm" : err.message),
                  .means = runs
                               ? "VMs run at the processor's own speed. `npm start` boots one before it relies on that."
                               : "VMs are emulated: they boot in 3.5 s where KVM takes 0.8, and compute ten times "
                                 "slower.",
                  .remedy = runs     ? NULL
                            : absent ? "Turn virtualisation on in the firmware, or nested virtualisation in the host "
                                       "of this VM; modprobe kvm_intel or kvm_amd. Or leave it: emulation works."
                                     : "Nothing here can mend it if this is a VM: its host must pass virtualisation "
                                       "on. Emulation works.",
              });
}

static void find_nested(json_t *report) {
    static const char *const files[] = {"/sys/module/kvm_intel/parameters/nested",
                                        "/sys/module/kvm_amd/parameters/nested"};
    char text[16] = "";
    bool on = false, there = false;
    const char *module = "";
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!sysfile_text(files[i], text, sizeof text))
            continue;
        there = true;
        module = i == 0 ? "kvm_intel" : "kvm_amd";
        on = on || text[0] == 'Y' || text[0] == '1';
    }
    char remedy[160];
    snprintf(remedy, sizeof remedy, "echo 'options %s nested=0' > /etc/modprobe.d/nested.conf, then reload %s", module,
             module);
    probe_add(report, &(probe_finding){
                          .group = "vms",
                          .name = "nested",
                          .state = on ? PROBE_WEAK : PROBE_GOOD,
                          .value = json_boolean(on),
                          .shown = on ? "on" : (there ? "off" : "off: no kvm_intel or kvm_amd is loaded"),
                          .means = on ? "A guest could make guests, by way of a wide and intricate piece of this "
                                        "kernel. Bulkhead hides it from its own VMs (-vmx, -svm)."
                                      : "Guests cannot make guests.",
                          .remedy = on ? remedy : NULL,
                      });
}

static void find_qemu(json_t *report) {
    bool there = access(VM_QEMU, X_OK) == 0;
    probe_add(report, &(probe_finding){
                          .group = "vms",
                          .name = "qemu",
                          .state = there ? PROBE_GOOD : PROBE_WEAK,
                          .value = json_boolean(there),
                          .shown = there ? VM_QEMU : "there is no " VM_QEMU,
                          .means = there ? "VMs can be started." : "No VM can be started; containers can.",
                          .remedy = there ? NULL : "apt-get install qemu-system-x86",
                      });
}

void probe_vms(json_t *report) {
    find_kvm(report);
    find_nested(report);
    find_qemu(report);
}
