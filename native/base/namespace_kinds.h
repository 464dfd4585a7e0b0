// The kinds of namespaces there are, and what each is called where (namespaces(7)).
#pragma once

enum { NAMESPACE_KINDS = 8 };

typedef struct namespace_entry {
    const char *type; // as config.json says it
    const char *file; // in /proc/<pid>/ns; also in the names of /proc/sys/user/max_*_namespaces
    unsigned long flag;
} namespace_entry;

extern const namespace_entry namespace_table[NAMESPACE_KINDS];
