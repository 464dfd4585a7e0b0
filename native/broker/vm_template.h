// A VM that was booted once and is begun many times. Its memory is a file in memory that every copy maps privately, so
// a copy costs only the pages it changes; its processor and devices are a small saved state. QEMU calls the pair of
// ideas migration with x-ignore-shared (qemu: docs/devel/migration).
#pragma once

#include "broker/vm.h"

// Two memfds, empty and as large as needed.
int vm_memory_make(vm_memory *memory, int64_t bytes, bh_error *err);
void vm_memory_close(vm_memory *memory);
// Nobody can change them any more, not even a QEMU that a guest took over: it is every copy's beginning.
int vm_memory_seal(const vm_memory *memory, bh_error *err);

// Saves a VM that was started with memory->copy false and has booted. Its QEMU is then of no more use.
int vm_template_save(const vm_spec *spec, bh_error *err);
// Lets a VM that was started with memory->copy true go on from where the template was saved.
int vm_template_restore(const vm_spec *spec, bh_error *err);
// Tells a guest that goes on from somewhere, before anybody else can ask it anything: the time, randomness that no
// other has, and, unless `hostname` is NULL, whose name it has from now on.
int vm_renew(const vm_spec *spec, const char *hostname, bh_error *err);
