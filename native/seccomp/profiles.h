// The two seccomp profiles as OCI JSON (linux.seccomp), linked into the program: hardened.json and nested.json of this
// folder. They rely on two rules of our runtime (runtime/seccomp.c): what is not listed gets the default action, and a
// refusal with conditions beats an ALLOW without.
#pragma once

extern const char seccomp_hardened_json[]; // NUL-terminated
extern const char seccomp_nested_json[];
