// config.json's linux.resources.hugepageLimits, network and rdma: limits that need hardware, or v1 controllers, which
// not every host has. https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#huge-page-limits
#include "runtime/config.h"

#include <inttypes.h>
#include <string.h>

// "2MB", as in the names of the controller's files.
static bool is_page_size(const char *text) {
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 8 && strchr("KMG", text[digits]) && text[digits] &&
           strcmp(text + digits + 1, "B") == 0;
}

static int parse_huge_pages(config *c, const json_place *at, int version, bh_error *err) {
    json_t *array = NULL;
    if (json_get_array(at, "hugepageLimits", &array, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_place item;
        const char *size = "";
        char file[64];
        int64_t limit = 0; // with the bits of the spec's uint64: json_document.h
        if (json_get_element(at, "hugepageLimits", array, i, &item, err) < 0 ||
            json_get_string(&item, "pageSize", &size, err) < 0 ||
            json_get_integer(&item, "limit", INT64_MIN, INT64_MAX, &limit, err) < 0)
            return -1;
        if (!is_page_size(size) || !json_object_get(item.object, "limit"))
            return bh_fail(err, 0, "%s needs a pageSize such as 2MB, and a limit", item.path);
        // What is reserved and not what is touched, so that a program hears of it in mmap and not by a signal. Linux
        // has it since 5.7, and what else is needed here is newer.
        snprintf(file, sizeof file, "hugetlb.%s.rsvd.%s", size, version == 1 ? "limit_in_bytes" : "max");
        if (config_add_setting(c, item.path, "hugetlb", file, err, "%" PRIu64, (uint64_t)limit) < 0)
            return -1;
    }
    return 0;
}

// Marks and priorities of packets, for tc(8) and the network devices on the host.
static int parse_network(config *c, const json_place *at, int version, bh_error *err) {
    json_place network;
    json_t *array = NULL;
    int64_t class = -1;
    if (json_get_object(at, "network", &network, err) < 0 ||
        json_get_integer(&network, "classID", 0, UINT32_MAX, &class, err) < 0 ||
        json_get_array(&network, "priorities", &array, err) < 0)
        return -1;
    if (version == 2 && (class >= 0 || json_array_size(array) > 0))
        return config_only_v1(network.path, err);
    char field[200];
    snprintf(field, sizeof field, "%s.classID", network.path);
    if (class >= 0 && config_add_setting(c, field, "net_cls", "net_cls.classid", err, "%" PRId64, class) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_place item;
        const char *name = "";
        int64_t priority = -1;
        if (json_get_element(&network, "priorities", array, i, &item, err) < 0 ||
            json_get_string(&item, "name", &name, err) < 0 ||
            json_get_integer(&item, "priority", 0, UINT32_MAX, &priority, err) < 0)
            return -1;
        if (!*name || strpbrk(name, " \n/") || priority < 0)
            return bh_fail(err, 0, "%s needs the name of a network interface and a priority", item.path);
        if (config_add_setting(c, item.path, "net_prio", "net_prio.ifpriomap", err, "%s %" PRId64, name, priority) < 0)
            return -1;
    }
    return 0;
}

static int parse_rdma(config *c, const json_place *at, bh_error *err) {
    json_place rdma;
    const char *device;
    json_t *value;
    if (json_get_object(at, "rdma", &rdma, err) < 0)
        return -1;
    json_object_foreach(rdma.object, device, value) {
        json_place item;
        int64_t handles = -1, objects = -1;
        char text[64] = "";
        if (json_get_object(&rdma, device, &item, err) < 0 ||
            json_get_integer(&item, "hcaHandles", 0, UINT32_MAX, &handles, err) < 0 ||
            json_get_integer(&item, "hcaObjects", 0, UINT32_MAX, &objects, err) < 0)
            return -1;
        if (strpbrk(device, " \n") || (handles < 0 && objects < 0))
            return bh_fail(err, 0, "%s needs hcaHandles or hcaObjects", item.path);
        if (handles >= 0)
            snprintf(text, sizeof text, " hca_handle=%" PRId64, handles);
        size_t length = strlen(text);
        if (objects >= 0)
            snprintf(text + length, sizeof text - length, " hca_object=%" PRId64, objects);
        if (config_add_setting(c, item.path, "rdma", "rdma.max", err, "%s%s", device, text) < 0)
            return -1;
    }
    return 0;
}

int config_parse_hardware(config *c, const json_place *at, int version, bh_error *err) {
    return parse_huge_pages(c, at, version, err) < 0 || parse_network(c, at, version, err) < 0 ||
                   parse_rdma(c, at, err) < 0
               ? -1
               : 0;
}
