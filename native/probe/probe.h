// What this host can do for Bulkhead, asked of the kernel and, where only that tells, tried. Nothing that is tried is
// left behind: it happens in child processes with namespaces of their own.
#pragma once

#include "probe/report.h"

// Each adds the findings of one group. They never fail: what cannot be found out is a finding as well.
void probe_kernel(json_t *report);
void probe_cgroups(json_t *report);
void probe_namespaces(json_t *report);
void probe_seccomp(json_t *report);
void probe_lsm(json_t *report);
void probe_holes(json_t *report);
void probe_settings(json_t *report);
void probe_vms(json_t *report); // up to a second
void probe_capacity(json_t *report);
