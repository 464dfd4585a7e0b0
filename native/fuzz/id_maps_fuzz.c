// Id maps: the text of linux.uidMappings, and what the kernel would be told of it.
#include "base/cleanup.h"
#include "fuzz/fuzz.h"

// Its static write_map is what is to be seen; where it writes is a file of ours (--wrap, see the Makefile).
#include "runtime/namespaces.c"

static char written[4096];

int __wrap_fs_write_below(int dir, const char *path, const char *value, bh_error *err);
int __wrap_fs_write_below(int dir, const char *path, const char *value, bh_error *err) {
    (void)dir, (void)path, (void)err;
    fuzz_promise(strlen(value) < sizeof written);
    strcpy(written, value);
    return 0;
}

// Each line reads back as the entry it was made of.
static void check_text(const id_map *maps, size_t count) {
    const char *at = written;
    for (size_t i = 0; i < count; i++) {
        unsigned container, host, ids;
        int length = 0;
        fuzz_promise(sscanf(at, "%u %u %u\n%n", &container, &host, &ids, &length) == 3 && length > 0);
        fuzz_promise(container == maps[i].container_id && host == maps[i].host_id && ids == maps[i].size && ids > 0);
        at += length;
    }
    fuzz_promise(*at == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char before[] = "{\"linux\":{\"namespaces\":[{\"type\":\"user\"},{\"type\":\"mount\"}],"
                                 "\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],\"uidMappings\":";
    cleanup_free char *text = NULL;
    int length = asprintf(&text, "%s%.*s}}", before, (int)size, (const char *)data);
    json_place document = {.object = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, NULL)};
    cleanup_json json_t *owned = document.object;
    if (!owned)
        return 0;
    config c = {.limits = CGROUP_NO_LIMITS};
    bh_error err = {0};
    int result = config_parse_linux(&c, &document, &err);
    fuzz_contract(result, &err);
    if (result == 0) {
        fuzz_promise(c.uid_map_count > 0 && c.uid_map_count <= ID_MAPS_MAX);
        fuzz_promise(write_map(-1, 1, "uid_map", c.uid_maps, c.uid_map_count, &err) == 0);
        check_text(c.uid_maps, c.uid_map_count);
    }
    config_free(&c);
    return 0;
}
