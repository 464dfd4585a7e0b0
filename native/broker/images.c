// Images: see images.h.
#include "broker/images.h"

#include "base/cleanup.h"

#include <limits.h>
#include <string.h>

// The image's description, with exactly name, kind and digest; NULL when it is not (yet) a whole image.
static json_t *read_image(const broker *b, const char *image) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/image.json", b->config.images_dir, image);
    cleanup_json json_t *description = json_load_file(path, 0, NULL);
    const char *said, *kind, *digest;
    if (json_unpack(description, "{s:s, s:s, s:s}", "name", &said, "kind", &kind, "digest", &digest) < 0 ||
        strcmp(said, image) != 0)
        return NULL;
    // The description alone is not an image: it may be under way, or have lost its half.
    bool is_container = strcmp(kind, "container") == 0;
    snprintf(path, sizeof path, "%s/%s/%s", b->config.images_dir, image, is_container ? "rootfs" : "vmlinux");
    if (access(path, F_OK) < 0)
        return NULL;
    return json_pack("{s:s, s:s, s:s}", "name", image, "kind", kind, "digest", digest);
}

json_t *images_list(const broker *b) {
    json_t *list = json_array();
    struct dirent **entries = NULL;
    int count = scandir(b->config.images_dir, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        json_t *image = is_image_name(entries[i]->d_name) ? read_image(b, entries[i]->d_name) : NULL;
        if (image)
            json_array_append_new(list, image);
        free(entries[i]);
    }
    free(entries);
    return list;
}

bool image_exists(request *r, const char *kind) {
    const char *wanted = params_string(r->params, "image");
    cleanup_json json_t *list = images_list(r->broker);
    char known[256] = "";
    size_t i, length = 0;
    json_t *image;
    json_array_foreach(list, i, image) {
        if (strcmp(json_string_value(json_object_get(image, "kind")), kind) != 0)
            continue;
        const char *image_name = json_string_value(json_object_get(image, "name"));
        if (strcmp(image_name, wanted) == 0)
            return true;
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", length ? ", " : "", image_name);
        if (length >= sizeof known)
            length = sizeof known - 1;
    }
    request_refuse(r, "not_found", "image", "no %s image %s here; there is %s", kind, wanted, *known ? known : "none");
    return false;
}

int image_digest(const broker *b, const char *image, char *digest, size_t size, bh_error *err) {
    cleanup_json json_t *one = read_image(b, image);
    const char *text = json_string_value(json_object_get(one, "digest"));
    if (!text || (size_t)snprintf(digest, size, "%s", text) >= size)
        return bh_fail(err, 0, "there is no image %s here", image);
    return 0;
}
