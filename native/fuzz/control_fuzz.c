// The control protocol: any lines at all, each of which gets exactly one answer. The broker has no host under it: its
// maxima are 0, so nothing is ever made.
#include "base/cleanup.h"
#include "broker/state.h"
#include "fuzz/fuzz.h"

#include <string.h>

typedef struct peer {
    client client;
    size_t answers;
} peer;

// An answer is one line of JSON with an id and either a result or an error, whatever was asked.
static void receive(client *c, const char *line, size_t length) {
    cleanup_json json_t *answer = json_loadb(line, length, 0, NULL);
    fuzz_promise(!memchr(line, '\n', length));
    fuzz_promise(json_object_get(answer, "id"));
    fuzz_promise(!json_object_get(answer, "result") != !json_object_get(answer, "error"));
    ((peer *)c)->answers++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static broker b;
    peer p = {.client.send = receive};
    b.config = (broker_config){.state_dir = "/nonexistent",
                               .images_dir = "/nonexistent",
                               .programs_dir = "/nonexistent",
                               .cgroup_parent = "nonexistent",
                               .id_base = 0x50000000,
                               .accel = "tcg",
                               .nesting = "vm"};
    broker_add_client(&b, &p.client);
    size_t lines = 0;
    for (size_t at = 0; at < size && lines < 100; lines++) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at;
        broker_handle_line(&b, &p.client, (const char *)data + at, length);
        at += length + 1;
    }
    fuzz_promise(p.answers == lines && !b.requests);
    broker_remove_client(&b, &p.client);
    return 0;
}
