// How much this host has, and how many machines that is enough for.
#pragma once

#include <stdint.h>

typedef struct host_memory {
    int64_t total, available, swap; // bytes
} host_memory;

// From /proc/meminfo; zeros where it cannot be read.
host_memory capacity_memory(void);
// The same from the text of that file.
host_memory capacity_parse_memory(const char *meminfo);

// What idle machines use up, each of its kind. -1: this host does not say.
typedef struct capacity_limits {
    int64_t memory_bytes; // to be had
    int64_t pids, ptys, namespaces;
} capacity_limits;

// How many idle containers, each with one terminal, fit; *bound is what runs out first ("memory", "pids", "ptys",
// "namespaces").
int64_t capacity_containers(const capacity_limits *limits, const char **bound);
// How many idle VMs fit, by memory.
int64_t capacity_vms(const capacity_limits *limits);
