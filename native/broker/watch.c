// The ends of machines, seen and told: see watch.h.
#include "broker/watch.h"

#include "base/cgroup.h"
#include "base/cgroup_meter.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/end.h"
#include "broker/identity.h"
#include "broker/log.h"
#include "broker/vm_console.h"
#include "broker/vm_watch.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has_console(const machine *m) {
    return m->kind == MACHINE_VM && !machine_is_self(m);
}

static int64_t oom_kills(const machine *m) {
    cgroup_usage usage;
    bh_error err;
    return cgroup_read_usage(machine_cgroup(m->broker, m->id).text, &usage, &err) == 0 ? usage.oom_kills : 0;
}

__attribute__((format(printf, 2, 3))) static void say(machine *m, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(m->exit, sizeof m->exit, format, args);
    va_end(args);
}

static void say_killed(machine *m, const char *what) {
    if (m->end_status < 0)
        say(m, "%s ended", what);
    else if (WIFSIGNALED(m->end_status))
        say(m, "%s was killed by signal %d", what, WTERMSIG(m->end_status));
    else
        say(m, "%s exited with status %d", what, WEXITSTATUS(m->end_status));
}

static void add_oom_kills(machine *m, int64_t kills) {
    size_t at = strlen(m->exit);
    if (kills > 0)
        snprintf(m->exit + at, sizeof m->exit - at,
                 "; the kernel had ended %lld of its processes for using too much memory", (long long)kills);
}

static void describe_container(machine *m) {
    int64_t kills = oom_kills(m);
    bool killed = m->end_status >= 0 && WIFSIGNALED(m->end_status);
    m->cause = m->end_status < 0                                           ? END_UNKNOWN
               : killed && WTERMSIG(m->end_status) == SIGKILL && kills > 0 ? END_OOM
               : killed                                                    ? END_CRASH
                                                                           : END_EXIT;
    say_killed(m, "its first process");
    add_oom_kills(m, kills);
}

static void add_last_line(machine *m) {
    char line[120];
    size_t count = json_array_size(m->console), at = strlen(m->exit);
    const char *last = count > 0 ? json_string_value(json_array_get(m->console, count - 1)) : "";
    size_t length = (size_t)snprintf(line, sizeof line, "%s", last); // cut, for the sentence; whole in m->console
    if (length >= sizeof line) {
        // Not inside a character: what is no UTF-8 is no JSON, and the machine could not be told of any more.
        for (length = sizeof line - 1; length > 0 && ((unsigned char)line[length - 1] & 0xC0) == 0x80; length--)
            continue;
        line[length > 0 && (unsigned char)line[length - 1] >= 0xC0 ? length - 1 : length] = '\0';
    }
    if (*line)
        snprintf(m->exit + at, sizeof m->exit - at, "; the last line of its console: %s", line);
}

static void describe_vm(machine *m) {
    cleanup_free char *console = malloc(VM_CONSOLE_MAX + 1);
    vm_news news = vm_watch_finish(m);
    int64_t kills = oom_kills(m);
    char words[120];
    if (console)
        vm_console_read(machine_dir(m->broker, m->id).text, console);
    const char *text = console ? console : "";
    vm_end_signs seen = {news.panicked, news.shutdown, m->end_status, kills > 0, text};
    m->cause = vm_end_cause(&seen);
    json_decref(m->console);
    m->console = vm_console_lines(text);
    switch (m->cause) {
    case END_PANIC:
        vm_end_panic_words(text, words, sizeof words);
        say(m, "its kernel panicked%s%s", *words ? ": " : "", words);
        return;
    case END_POWEROFF:
        say(m, "the guest powered off");
        return;
    case END_REBOOT:
        say(m, "the guest restarted, and a VM is not started again by itself");
        return;
    case END_OOM:
        say(m, "the host's kernel killed QEMU for using too much memory");
        return;
    default:
        say_killed(m, "QEMU");
        add_oom_kills(m, kills);
        add_last_line(m);
    }
}

static void describe_end(machine *m) {
    m->state = MACHINE_EXITED;
    m->frozen = false;
    if (has_console(m))
        describe_vm(m);
    else
        describe_container(m);
}

static void tell_end(machine *m) {
    bh_error err;
    describe_end(m);
    log_info("machine %s ended: %s", m->id, m->exit);
    if (machine_save(m, &err) < 0)
        log_error("%s", err.message);
    json_t *event = json_pack("{s:s, s:s, s:s, s:s}", "event", "machine.exited", "machine", m->id, "reason", m->exit,
                              "cause", end_cause_name(m->cause));
    if (m->console)
        json_object_set(event, "console", m->console);
    broker_emit(m->broker, event);
}

pid_t machine_find_process(const machine *m, const char *name, pid_t but) {
    cleanup_free pid_t *pids = NULL;
    bh_error err;
    int count = cgroup_read_pids(machine_cgroup(m->broker, m->id).text, &pids, &err);
    for (int i = 0; i < count; i++) {
        char path[64], found[32];
        snprintf(path, sizeof path, "/proc/%d/comm", (int)pids[i]);
        if (pids[i] != but && fs_read(AT_FDCWD, path, found, sizeof found, &err) > 0 &&
            strncmp(found, name, strlen(name)) == 0)
            return pids[i];
    }
    return 0;
}

// Whoever keeps the console's log: it ends when it has written what QEMU printed last. 0 if it has already.
static pid_t console_keeper(const machine *m) {
    return machine_find_process(m, "console-log", 0);
}

static int watch_process(machine *m, pid_t pid, uint64_t start_time, void (*ended)(loop_source *, uint32_t),
                         bh_error *err) {
    m->init = (loop_source){process_open(pid, start_time, err), ended};
    return m->init.fd < 0 ? -1 : loop_add(m->broker->loop, &m->init, EPOLLIN, err);
}

static void keeper_ended(loop_source *source, uint32_t events) {
    (void)events;
    machine *m = (machine *)((char *)source - offsetof(machine, init));
    machine_unwatch(m);
    if (m->deleting)
        m->state = MACHINE_EXITED;
    else
        tell_end(m);
}

void machine_note_end(machine *m) {
    bh_error err;
    if (waitpid(m->pid, &m->end_status, WNOHANG) != m->pid)
        m->end_status = -1; // it was an earlier broker's child
    machine_unwatch(m);
    if (m->deleting) {
        m->state = MACHINE_EXITED;
        return;
    }
    pid_t keeper = has_console(m) ? console_keeper(m) : 0;
    if (keeper > 0 && watch_process(m, keeper, process_start_time(keeper), keeper_ended, &err) == 0)
        return;
    machine_unwatch(m);
    tell_end(m);
}

static void init_ended(loop_source *source, uint32_t events) {
    (void)events;
    machine_note_end((machine *)((char *)source - offsetof(machine, init)));
}

int machine_watch(machine *m, bh_error *err) {
    bh_error deaf;
    // Without it a panic is known by the console's text.
    if (has_console(m) && vm_watch_start(m, &deaf) < 0)
        log_error("machine %s: %s", m->id, deaf.message);
    return watch_process(m, m->pid, m->start_time, init_ended, err);
}

void machine_unwatch(machine *m) {
    if (m->init.fd < 0)
        return;
    loop_remove(m->broker->loop, &m->init);
    close(m->init.fd);
    m->init.fd = -1;
}

void machine_find_end(machine *m) {
    m->end_status = -1;
    describe_end(m);
    if (m->cause == END_UNKNOWN)
        say(m, "it ended while no broker was running");
}

void machine_recall_end(machine *m) {
    cleanup_free char *console = has_console(m) ? malloc(VM_CONSOLE_MAX + 1) : NULL;
    if (!console)
        return;
    vm_console_read(machine_dir(m->broker, m->id).text, console);
    json_decref(m->console);
    m->console = vm_console_lines(console);
}
