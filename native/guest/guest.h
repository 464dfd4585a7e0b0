// `bulkheadd` as pid 1 of a VM: mounts, the root file system, then a broker whose only client is the host, over
// virtio-serial.
#pragma once

// Never returns: a guest without its init has nothing left to do. Called when getpid() == 1.
_Noreturn void guest_main(void);
