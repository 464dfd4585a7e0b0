// A listening Unix socket at a path.
#pragma once

#include "base/error.h"

// Non-blocking, mode 0600. A socket that is in the way is an error: it may be somebody else's.
int listener_open(const char *path, bh_error *err);
