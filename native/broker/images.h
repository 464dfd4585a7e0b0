// The images that machines start from: <images>/<name>/ with image.json {name, kind, digest} and, by kind, rootfs/ or
// a kernel, an initramfs and a disk.
#pragma once

#include "broker/state.h"

// [{name, kind, digest}], by name.
json_t *images_list(const broker *b);
// Whether the request's image is here and of this kind; answers the request, naming those that are, when it is not.
bool image_exists(request *r, const char *kind);
// What the image is known by: another build of it has another one.
int image_digest(const broker *b, const char *image, char *digest, size_t size, bh_error *err);
