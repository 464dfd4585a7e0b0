// SELinux in a guest whose kernel was started with security=selinux: the policy of native/selinux, enforcing, before
// anything else runs. In any other guest these do nothing.
#pragma once

#include "base/error.h"

// Loads the policy of the initramfs, enforces it, labels the programs and devices that the policy names, and makes pid
// 1 the broker. As early as can be: what is made before has to be labelled after.
int start_selinux(bh_error *err);
// Shows the policy, its source too, in /etc/selinux of the root to be, where its tools look for it.
int keep_policy(bh_error *err);
