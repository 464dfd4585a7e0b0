// What QEMU sees of the host: a root of its own with /usr, the VM's image and three devices, no network, and a user id
// that nothing else on the host has. QEMU is the wall around a VM; this is what is behind the wall should it have a
// hole.
#pragma once

#include "broker/vm.h"

// Confines the calling process, which must be single-threaded and root, for good. File descriptors stay open.
int vm_jail_enter(const vm_spec *spec, bh_error *err);
