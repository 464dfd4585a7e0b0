// Moving a VM to another QEMU, and its snapshots: the methods vm.migrate, vm.migrate.cancel and vm.snapshot.*.
#pragma once

#include "broker/state.h"

void vm_migrate(request *r);
void vm_migrate_cancel(request *r);
void vm_snapshot_save(request *r);
void vm_snapshot_restore(request *r);
void vm_snapshot_list(request *r);
void vm_snapshot_delete(request *r);

// After a broker died while it moved a VM: what it had started beside it is ended, or takes its place if the VM is
// there by now. In the broker's beginning, before the machine is watched.
void move_recover(machine *m);
