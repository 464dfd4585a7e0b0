// Mending what a move under emulation lost: see vm_match.h.
//
// QEMU's emulator marks a page as changed on the first write to it, and then lets the processor write past the marking
// (accel/tcg/cputlb.c: notdirty_write, tlb_set_dirty). When migration takes the mark away between those two, which on a
// busy host may be milliseconds, later writes to the page are seen by nobody until the guest next flushes its TLB, and
// if none follows, the page arrives as it was. Guests died of it: their interrupt stack was an old one. KVM keeps its
// own book and has no such gap.
#include "broker/vm_match.h"

#include "base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define PAGE 4096
// Both pieces stay in a processor's cache.
#define PIECE ((int64_t)256 * 1024)

typedef struct place {
    pid_t pid;
    uint64_t at;
} place;

static int look(place from, void *into, int64_t bytes, bh_error *err) {
    struct iovec here = {into, (size_t)bytes}, there = {(void *)(uintptr_t)from.at, (size_t)bytes};
    ssize_t got = process_vm_readv(from.pid, &here, 1, &there, 1, 0);
    return got == bytes
               ? 0
               : bh_fail(err, got < 0 ? errno : EFAULT, "cannot read the memory of QEMU, process %d", (int)from.pid);
}

static int put(place into, void *page, bh_error *err) {
    struct iovec here = {page, PAGE}, there = {(void *)(uintptr_t)into.at, PAGE};
    ssize_t written = process_vm_writev(into.pid, &here, 1, &there, 1, 0);
    return written == PAGE ? 0
                           : bh_fail(err, written < 0 ? errno : EFAULT, "cannot write the memory of QEMU, process %d",
                                     (int)into.pid);
}

static int64_t match_piece(place from, place into, char *original, char *copy, int64_t bytes, bh_error *err) {
    int64_t different = 0;
    if (look(from, original, bytes, err) < 0 || look(into, copy, bytes, err) < 0)
        return -1;
    if (memcmp(original, copy, (size_t)bytes) == 0)
        return 0;
    for (int64_t at = 0; at < bytes; at += PAGE) {
        if (memcmp(original + at, copy + at, PAGE) == 0)
            continue;
        if (put((place){into.pid, into.at + (uint64_t)at}, original + at, err) < 0)
            return -1;
        different++;
    }
    return different;
}

int64_t vm_match_range(pid_t from, uint64_t from_at, pid_t into, uint64_t into_at, int64_t bytes, bh_error *err) {
    cleanup_free char *original = malloc((size_t)PIECE), *copy = malloc((size_t)PIECE);
    int64_t different = 0;
    if (!original || !copy)
        return bh_fail(err, ENOMEM, "cannot compare the memory of two QEMUs");
    for (int64_t at = 0; at < bytes; at += PIECE) {
        int64_t piece = bytes - at < PIECE ? bytes - at : PIECE;
        int64_t more = match_piece((place){from, from_at + (uint64_t)at}, (place){into, into_at + (uint64_t)at},
                                   original, copy, piece, err);
        if (more < 0)
            return -1;
        different += more;
    }
    return different;
}

// Where the guest's memory begins in QEMU's own: "Host virtual address for 0x0 (pc.ram) is 0x7f…". What a QEMU that was
// taken over says here chooses no more than which of its own pages are copied.
static int find_memory(vm_qmp *q, uint64_t *at, bh_error *err) {
    cleanup_json json_t *answer = NULL;
    json_t *arguments = json_pack("{s:s}", "command-line", "gpa2hva 0");
    if (vm_qmp_run(q, "human-monitor-command", arguments, -1, &answer, err) < 0)
        return -1;
    const char *text = json_string_value(answer), *is = text ? strstr(text, " is 0x") : NULL;
    char *end = NULL;
    *at = is ? strtoull(is + 4, &end, 16) : 0;
    return *at > 0 && *at % PAGE == 0
               ? 0
               : bh_fail(err, 0, "QEMU in %s does not tell where its memory is: %.100s", q->dir, text ? text : "");
}

int64_t vm_match_memory(vm_qmp *from, pid_t from_pid, vm_qmp *into, pid_t into_pid, int64_t bytes, bh_error *err) {
    uint64_t from_at, into_at;
    if (find_memory(from, &from_at, err) < 0 || find_memory(into, &into_at, err) < 0)
        return -1;
    return vm_match_range(from_pid, from_at, into_pid, into_at, bytes, err);
}
