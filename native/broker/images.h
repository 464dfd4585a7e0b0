// The images that machines start from: <images>/<name>/ with image.json {name, kind, digest} and, by kind, rootfs/ or
// a kernel, an initramfs and a disk.
#pragma once

#include "broker/state.h"

// [{name, kind, digest}], by name.
json_t *images_list(const broker *b);
// Whether the request's image is here and of this kind; answers the request, naming those that are, when it is not.
bool image_exists(request *r, const char *kind);
