// Finding machines again: see recover.h.
#include "broker/recover.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/end.h"
#include "broker/freeze.h"
#include "broker/log.h"
#include "broker/move.h"
#include "broker/restart.h"
#include "broker/terminal.h"
#include "broker/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

// Nothing of a machine outlives a reboot, so its pid and its sockets mean nothing now: only the files are left.
static void wipe(broker *b, const char *id, const char *why) {
    bh_error err;
    log_info("machine %s: %s; removing what is left of it", id, why);
    if (machine_destroy(b, id, &err) < 0)
        log_error("machine %s: %s", id, err.message);
}

static machine *read_record(const broker *b, const char *id, char *boot_id, bh_error *err) {
    state_name path = machine_file(b, id, "machine.json");
    json_error_t why;
    cleanup_json json_t *record = json_load_file(path.text, JSON_REJECT_DUPLICATES, &why);
    if (!record) {
        bh_fail(err, 0, "%s: %s", path.text, why.text);
        return NULL;
    }
    machine *m = machine_from_json(record, boot_id, err);
    if (m && strcmp(m->id, id) != 0) {
        bh_fail(err, 0, "%s is the record of another machine, %s", path.text, m->id);
        machine_free(m);
        return NULL;
    }
    return m;
}

// Its restart was cut short. What there is of the new one goes, and what outlives a restart stays: its name, its ids,
// its snapshots. Whoever asked has it begun once more.
static void begin_anew(machine *m) {
    bh_error err;
    if (machine_clear(m->broker, m->id, &err) < 0)
        log_error("machine %s: %s", m->id, err.message);
    bh_fail(&err, 0, "the broker ended meanwhile");
    m->pid = 0;
    machine_restart_failed(m, &err);
}

static void take_over(broker *b, const char *id) {
    bh_error err;
    char boot_id[40];
    machine *m = read_record(b, id, boot_id, &err);
    if (!m) {
        wipe(b, id, err.message);
        return;
    }
    m->broker = b;
    bool cut_short = m->state == MACHINE_CREATING && !m->restarting;
    if (strcmp(boot_id, b->boot_id) != 0 || cut_short) {
        wipe(b, id, cut_short ? "its making was cut short" : "it is from before the last reboot");
        machine_free(m);
        return;
    }
    broker_remember(b, m);
    if (m->state == MACHINE_CREATING)
        begin_anew(m);
    m->restarting = false;
    if (m->state == MACHINE_EXITED)
        machine_recall_end(m);
    move_recover(m);
    int watched = m->state == MACHINE_RUNNING ? machine_watch(m, &err) : 0;
    if (watched < 0 && err.code != ESRCH)
        log_error("machine %s runs, but its end will not be seen: %s", id, err.message);
    // There is no such process, or one that began at another time: its own is gone.
    if (watched < 0 && err.code == ESRCH) {
        machine_unwatch(m);
        machine_find_end(m);
        if (machine_save(m, &err) < 0)
            log_error("%s", err.message);
    }
    freeze_recover(m);
    terminals_find(m);
    log_info("machine %s found again: %s", id, m->state == MACHINE_RUNNING ? "running" : m->exit);
}

int machines_find(broker *b, bh_error *err) {
    state_name path;
    snprintf(path.text, sizeof path.text, "%.120s/run/machines", b->config.state_dir);
    cleanup_dir DIR *dir = opendir(path.text);
    if (!dir)
        return bh_fail(err, errno, "cannot read %s", path.text);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        // Other names are none of ours, or the half of a record that fs_replace was writing.
        if (is_machine_id(entry->d_name))
            take_over(b, entry->d_name);
    }
    return 0;
}
