// Moving, saving and resuming VMs: see vm_move.h. QEMU's part is called migration (qemu: docs/devel/migration).
#include "broker/vm_move.h"

#include "base/cleanup.h"
#include "broker/log.h"
#include "broker/vm_command.h"
#include "broker/vm_match.h"
#include "broker/vm_qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// How often is looked how far it is: a figure on a page, not something that anybody waits for.
#define LOOK_EVERY_US 50000
// A pause that a person at a terminal hardly notices.
#define PAUSE_MS 200
// Twenty seconds: what is left of a move by then is less than its pause.
#define ARRIVAL_LOOKS 400

static void cleanup_qmp(vm_qmp *q) {
    vm_qmp_close(q);
}
#define cleanup_monitor __attribute__((cleanup(cleanup_qmp)))

// What QEMU says goes to the server as it is, and a QEMU that was taken over may say anything: no less than nothing,
// and no more than JavaScript can count.
static json_int_t number(const json_t *object, const char *key) {
    const json_int_t most = ((json_int_t)1 << 53) - 1;
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value < 0 ? 0 : value > most ? most : value;
}

static json_t *figures_of(const json_t *state) {
    const json_t *ram = json_object_get(state, "ram");
    const char *status = json_string_value(json_object_get(state, "status"));
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "status", status ? status : "none", "elapsed_ms",
                     number(state, "total-time"), "pause_ms", number(state, "downtime"), "rounds",
                     number(ram, "dirty-sync-count"), "transferred_bytes", number(ram, "transferred"),
                     "remaining_bytes", number(ram, "remaining"), "total_bytes", number(ram, "total"));
}

static bool is(const char *status, const char *name) {
    return strcmp(status, name) == 0;
}

// What the migration's state asks for. 1: look again; 0: it is complete.
static int react(vm_qmp *q, const json_t *state, bool cancelled, bool *asked, bh_error *err) {
    const char *status = json_string_value(json_object_get(state, "status"));
    const char *why = json_string_value(json_object_get(state, "error-desc"));
    status = status ? status : "none";
    if (is(status, "completed"))
        return 0;
    if (is(status, "cancelled"))
        return bh_fail(err, ECANCELED, "it was cancelled");
    if (is(status, "failed") || is(status, "none"))
        return bh_fail(err, 0, "%s", why ? why : "QEMU does not say why");
    if (cancelled && !*asked) {
        *asked = true;
        return vm_qmp_run(q, "migrate_cancel", NULL, -1, NULL, err) < 0 ? -1 : 1;
    }
    // The VM stands still and only what is left has to follow: from here there is no way back.
    if (is(status, "pre-switchover") && !*asked)
        return vm_qmp_run(q, "migrate-continue", json_pack("{s:s}", "state", status), -1, NULL, err) < 0 ? -1 : 1;
    return 1;
}

// QEMU says that it is complete a moment before it has worked out how long it took.
static int last_figures(vm_qmp *q, const vm_move_watch *watch, json_t **figures, bh_error *err) {
    for (int look = 0; look < 40; look++) {
        cleanup_json json_t *state = NULL;
        if (vm_qmp_run(q, "query-migrate", NULL, -1, &state, err) < 0)
            return -1;
        json_decref(*figures);
        *figures = figures_of(state);
        if (number(state, "total-time") > 0)
            break;
        usleep(LOOK_EVERY_US / 10);
    }
    watch->tell(json_incref(*figures));
    return 0;
}

static int follow(vm_qmp *q, const vm_move_watch *watch, json_t **figures, bh_error *err) {
    bool asked = false;
    for (;;) {
        cleanup_json json_t *state = NULL;
        if (vm_qmp_run(q, "query-migrate", NULL, -1, &state, err) < 0)
            return -1;
        int more = react(q, state, watch->cancelled(), &asked, err);
        if (more <= 0)
            return more < 0 ? -1 : last_figures(q, watch, figures, err);
        watch->tell(figures_of(state));
        usleep(LOOK_EVERY_US);
    }
}

static int send_to(vm_qmp *q, int fd, bool pause_first, bh_error *err) {
    if (vm_qmp_set_migration(q, false, pause_first, err) < 0)
        return -1;
    // Unlimited: what is between the two is memory. An hour of pause would be "complete" as well, hence the limit.
    json_t *parameters = json_pack("{s:I, s:i}", "max-bandwidth", (json_int_t)1 << 40, "downtime-limit", PAUSE_MS);
    return vm_qmp_run(q, "migrate-set-parameters", parameters, -1, NULL, err) < 0 ||
                   vm_qmp_run(q, "getfd", json_pack("{s:s}", "fdname", "out"), fd, NULL, err) < 0 ||
                   vm_qmp_run(q, "migrate", json_pack("{s:s}", "uri", "fd:out"), -1, NULL, err) < 0
               ? -1
               : 0;
}

static int receive(vm_qmp *q, bh_error *err) {
    char from[16];
    snprintf(from, sizeof from, "fd:%d", VM_STATE_FD);
    return vm_qmp_set_migration(q, false, false, err) < 0
               ? -1
               : vm_qmp_run(q, "migrate-incoming", json_pack("{s:s}", "uri", from), -1, NULL, err);
}

// Whatever came of it, this VM is to run.
static int let_run(vm_qmp *q, bh_error *err) {
    cleanup_json json_t *state = NULL;
    if (vm_qmp_run(q, "query-status", NULL, -1, &state, err) < 0)
        return -1;
    return json_is_true(json_object_get(state, "running")) ? 0 : vm_qmp_run(q, "cont", NULL, -1, NULL, err);
}

// The QEMU that nobody needs; the keeper of its console ends with it.
static void end_qemu(pid_t pid) {
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

// The other QEMU has everything once it runs.
static int arrive(vm_qmp *q, bh_error *err) {
    return vm_qmp_await_migration(q, err) < 0 ? -1 : let_run(q, err);
}

static int mend(vm_qmp *from, pid_t from_pid, vm_qmp *into, pid_t into_pid, const vm_spec *to, bh_error *err) {
    if (strcmp(to->accel, "tcg") != 0)
        return 0;
    int64_t pages = vm_match_memory(from, from_pid, into, into_pid, to->memory_bytes, err);
    if (pages > 0)
        log_info("machine %s: %lld pages had changed unseen while it was moved", to->machine_id, (long long)pages);
    return pages < 0 ? -1 : 0;
}

static json_int_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// What was done after QEMU had stopped its clock is pause all the same.
static void add_ms(json_t *figures, const char *key, json_int_t ms) {
    json_object_set_new(figures, key, json_integer(number(figures, key) + ms));
}

static int move(const char *from_dir, pid_t from_pid, const vm_spec *to, pid_t into_pid, int out,
                const vm_move_watch *watch, json_t **figures, bh_error *err) {
    cleanup_monitor vm_qmp from = {.fd = -1}, into = {.fd = -1};
    // Stopped before anything comes in, it does not run by itself once everything has (qmp_stop while
    // RUN_STATE_INMIGRATE).
    if (vm_qmp_open(&into, to->dir, err) < 0 || vm_qmp_run(&into, "stop", NULL, -1, NULL, err) < 0 ||
        receive(&into, err) < 0 || vm_qmp_open(&from, from_dir, err) < 0)
        return -1;
    if (send_to(&from, out, true, err) == 0 && follow(&from, watch, figures, err) == 0) {
        json_int_t since = now_ms();
        if (vm_qmp_await_migration(&into, err) == 0 && mend(&from, from_pid, &into, into_pid, to, err) == 0 &&
            let_run(&into, err) == 0) {
            json_int_t spent = now_ms() - since;
            add_ms(*figures, "pause_ms", spent);
            add_ms(*figures, "elapsed_ms", spent);
            watch->tell(json_deep_copy(*figures));
            return 0;
        }
    }
    bh_error dead;
    vm_qmp_run(&from, "migrate_cancel", NULL, -1, NULL, &dead);
    return let_run(&from, &dead) < 0
               ? bh_fail(err, 0, "%.200s; and the VM stands still: %.200s", err->message, dead.message)
               : -1;
}

int vm_move_live(const char *from_dir, pid_t from, vm_spec *to, const vm_move_watch *watch, pid_t *pid,
                 json_t **figures, bh_error *err) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return bh_fail(err, errno, "cannot connect two QEMUs");
    cleanup_fd int out = ends[0];
    vm_memory memory = {.ram = -1, .state = ends[1], .copy = true};
    to->memory = &memory;
    int started = vm_start(to, pid, err);
    to->memory = NULL;
    close(ends[1]);
    if (started < 0)
        return -1;
    if (move(from_dir, from, to, *pid, out, watch, figures, err) == 0)
        return 0;
    end_qemu(*pid);
    return -1;
}

int vm_save(const char *dir, int file, const vm_move_watch *watch, json_t **figures, bh_error *err) {
    cleanup_monitor vm_qmp q = {.fd = -1};
    if (vm_qmp_open(&q, dir, err) < 0 || vm_qmp_run(&q, "stop", NULL, -1, NULL, err) < 0)
        return -1;
    int saved = send_to(&q, file, false, err) < 0 ? -1 : follow(&q, watch, figures, err);
    bh_error dead;
    bool goes_on = let_run(&q, &dead) == 0;
    if (saved == 0 && !goes_on)
        *err = dead;
    return saved == 0 && goes_on ? 0 : -1;
}

int vm_resume(vm_spec *to, int file, pid_t *pid, bh_error *err) {
    cleanup_monitor vm_qmp q = {.fd = -1};
    vm_memory memory = {.ram = -1, .state = file, .copy = true};
    to->memory = &memory;
    int started = vm_start(to, pid, err);
    to->memory = NULL;
    if (started < 0)
        return -1;
    if (vm_qmp_open(&q, to->dir, err) == 0 && receive(&q, err) == 0 && arrive(&q, err) == 0)
        return 0;
    end_qemu(*pid);
    return -1;
}

// A VM that was moved completely has no way back: two would be the same one.
int vm_stays(const char *dir, bh_error *err) {
    cleanup_monitor vm_qmp q = {.fd = -1};
    cleanup_json json_t *state = NULL;
    if (vm_qmp_open(&q, dir, err) < 0 || vm_qmp_run(&q, "query-status", NULL, -1, &state, err) < 0)
        return -1;
    const char *status = json_string_value(json_object_get(state, "status"));
    if (status && is(status, "postmigrate"))
        return bh_fail(err, 0, "the VM in %s has been moved", dir);
    bh_error ignored; // there may be nothing to cancel
    vm_qmp_run(&q, "migrate_cancel", NULL, -1, NULL, &ignored);
    return let_run(&q, err);
}

// 1: it runs; 0: it stands still, and everything has come in.
static int await_arrival(vm_qmp *into, bh_error *err) {
    for (int look = 0; look < ARRIVAL_LOOKS; look++) {
        cleanup_json json_t *state = NULL;
        if (vm_qmp_run(into, "query-status", NULL, -1, &state, err) < 0)
            return -1;
        const char *status = json_string_value(json_object_get(state, "status"));
        if (status && !is(status, "inmigrate"))
            return json_is_true(json_object_get(state, "running"));
        usleep(LOOK_EVERY_US);
    }
    return bh_fail(err, ETIMEDOUT, "the VM in %s has not arrived", into->dir);
}

int vm_arrived(const char *from_dir, pid_t from_pid, const vm_spec *to, pid_t pid, bh_error *err) {
    cleanup_monitor vm_qmp from = {.fd = -1}, into = {.fd = -1};
    int runs = vm_qmp_open(&into, to->dir, err) < 0 ? -1 : await_arrival(&into, err);
    // One that runs has written to its memory since then, and was mended before.
    if (runs != 0)
        return runs < 0 ? -1 : 0;
    return vm_qmp_open(&from, from_dir, err) < 0 || mend(&from, from_pid, &into, pid, to, err) < 0
               ? -1
               : let_run(&into, err);
}

int vm_continue(const char *dir, bh_error *err) {
    cleanup_monitor vm_qmp q = {.fd = -1};
    return vm_qmp_open(&q, dir, err) < 0 ? -1 : let_run(&q, err);
}

int vm_take_place(const char *dir, const char *next_dir, bh_error *err) {
    static const char *const names[] = {"link.sock", "qmp.sock", "events.sock", "console.log"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[512], to[512];
        snprintf(from, sizeof from, "%s/%s", next_dir, names[i]);
        snprintf(to, sizeof to, "%s/%s", dir, names[i]);
        if (rename(from, to) < 0)
            return bh_fail(err, errno, "cannot put %s in the place of the first", from);
    }
    return rmdir(next_dir) < 0 ? bh_fail(err, errno, "cannot remove %s", next_dir) : 0;
}
