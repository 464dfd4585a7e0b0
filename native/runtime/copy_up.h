// The mount option "tmpcopyup": a new tmpfs begins with what the image has at that place.
#pragma once

#include "base/error.h"

// Copies what is in the directory `from` into the empty directory `to`: folders, files, links and pipes with their
// owners and modes. Devices and sockets are left out, for they mean nothing without who made them. No link is followed.
int copy_up(int from, int to, bh_error *err);
