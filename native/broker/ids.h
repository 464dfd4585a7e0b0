// Which user ids belong to a machine. Each machine has one slot, and no two live machines share one: a container's own
// 65,536 ids, and one id more, outside them, for what runs on the host for its sake (monitors, QEMU).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define IDS_PER_CONTAINER 65536
// An instance of Bulkhead keeps to the 2^28 ids from its base, less the last range, where the next one has its service
// ids.
#define ID_SLOTS 4095

struct machine;

static inline uid_t slot_container_id(uid_t id_base, int32_t slot) {
    return id_base + (uid_t)slot * IDS_PER_CONTAINER;
}
static inline uid_t slot_service_id(uid_t id_base, int32_t slot) {
    return id_base - IDS_PER_CONTAINER + (uid_t)slot;
}

// Whether there is such a slot, and no machine of the list has it.
bool slot_is_free(const struct machine *machines, uid_t id_base, int32_t slot);
// A slot that no machine of the list has, searched for from *next onwards and around, so that the ids of a machine that
// has just gone are the last to be given out again. Negative when all are taken or the base leaves no room.
int32_t slot_allocate(const struct machine *machines, uid_t id_base, int32_t *next);
