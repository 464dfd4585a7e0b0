// Who owns a container's user namespace: its own root. Whoever makes a user namespace owns it (user_namespaces(7)), so
// the runtime makes it as that user, and acts as that user again where the kernel asks for the owner.
//
// It matters for what containers can take from each other. Inotify instances, pending signals, message queues and
// locked memory are counted for the user inside and again for the owner outside ("ucounts" in the kernel). Were that
// root for all, one container could use up what all others and the host's root have: after 128 inotify instances `tail
// -f` fails in every other one, and systemd on the host.
#pragma once

#include "base/error.h"

#include <sys/types.h>

// From now on the effective and the saved user id are `owner`. Real id and the one for files stay root's, and so do all
// capabilities.
int owner_begin(uid_t owner, bh_error *err);
// Root by every id again. Fails when the process was to end with its parent, and that has ended meanwhile.
int owner_end(bh_error *err);
