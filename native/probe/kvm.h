// Whether KVM runs a guest here: not whether it could be opened.
#pragma once

#include "base/error.h"

// Runs a guest of a few instructions with a time limit (1 s). Returns 0 when it did what it should; otherwise negative,
// and *err says how far it came: err->code is ENOENT where there is no /dev/kvm.
int kvm_try(bh_error *err);
