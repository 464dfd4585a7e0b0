// machine.view: the processes of a machine as the host under it sees them.
#pragma once

#include <jansson.h>
#include <stdbool.h>

// One process by its directory in /proc (an open descriptor, which is of that process and no other, whoever gets its
// pid next): as docs/protocol.md has it, with the names of its threads where wanted. NULL when it has ended.
json_t *view_process(int directory, bool threads);
// The ids of the namespaces of a process, by kind; null where its kernel has no such kind, or does not tell.
json_t *view_namespaces(int directory);
// What the kernel shows of a command line, arguments ending in NULs, as one line of text.
json_t *view_command(char *bytes, size_t length, bool cut);
// The lines of a uid_map or gid_map: [{inside, outside, count}].
json_t *view_id_map(const char *text);
// The path of the group that limits a process, of the text of /proc/PID/cgroup.
json_t *view_cgroup(const char *text);
