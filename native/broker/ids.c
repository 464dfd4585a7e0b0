// Giving out slots: see ids.h.
#include "broker/ids.h"

#include "broker/machine.h"

static bool is_taken(const machine *machines, int32_t slot) {
    for (const machine *m = machines; m; m = m->next) {
        if (m->slot == slot)
            return true;
    }
    return false;
}

static int32_t slots_above(uid_t id_base) {
    int64_t room = ((int64_t)UINT32_MAX - id_base) / IDS_PER_CONTAINER;
    return room < ID_SLOTS ? (int32_t)room : ID_SLOTS;
}

bool slot_is_free(const machine *machines, uid_t id_base, int32_t slot) {
    return slot >= 0 && slot < slots_above(id_base) && !is_taken(machines, slot);
}

int32_t slot_allocate(const machine *machines, uid_t id_base, int32_t *next) {
    int32_t slots = slots_above(id_base);
    for (int32_t tried = 0; tried < slots; tried++) {
        int32_t slot = (*next + tried) % slots;
        if (!is_taken(machines, slot)) {
            *next = (slot + 1) % slots;
            return slot;
        }
    }
    return -1;
}
