// terminal.open, terminal.close and channel.open.
#include "base/cleanup.h"
#include "broker/end.h"
#include "broker/first_shell.h"
#include "broker/identity.h"
#include "broker/ids.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/restart.h"
#include "broker/terminal.h"
#include "broker/terminal_monitor.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

// What an opening job is about; `machine` may be gone when it is done, so it is named.
typedef struct opening {
    request *request;
    char id[17];
    bool direct; // the guest itself: no container to enter
    bool first;  // the shell that is stopped before its prompt (first_shell.h), and opened to nobody yet
    uid_t service_id;
    char label[MCS_LABEL_MAX]; // the monitor's; may be empty
} opening;

static int open_body(void *argument, json_t **result, bh_error *err) {
    const opening *o = argument;
    const request *r = o->request;
    cleanup_free char **command = params_strings(r->params, "command");
    const broker *b = r->broker;
    const terminal_monitor monitor = {
        .broker = b,
        .machine = r->machine,
        .terminal = o->id,
        .service_id = o->service_id,
        .label = o->label,
        .environment = o->first ? first_shell_environment(b) : NULL,
        .columns = params_integer(r->params, "columns", 80),
        .rows = params_integer(r->params, "rows", 24),
        .command = command,
        .direct = o->direct,
        // So that a container in a VM can be written down with its terminals (checkpoint.h).
        .orphan = !o->direct && b->config.guest,
        .master = -1,
    };
    cleanup_fd int stopped = o->first ? first_shell_watch(b, err) : -1;
    if ((o->first && stopped < 0) || terminal_start_monitor(&monitor, result, err) < 0)
        return -1;
    if (!o->first || first_shell_await(b, stopped, err) == 0)
        return 0;
    bh_error ignored;
    terminal_end(b, r->machine, o->id, &ignored);
    return -1;
}

static pid_t pid_in(json_t *opened, const char *name) {
    return (pid_t)json_integer_value(json_object_get(opened, name));
}

static void open_done(void *argument, json_t *result, const bh_error *err) {
    opening *o = argument;
    request *r = o->request;
    machine *m = broker_find(r->broker, r->machine);
    bh_error failure;
    m->opening--;
    if (!result)
        request_fail(r, err);
    else if (m->deleting || m->restarting) // its monitor ends with the machine: whoever ends it looks at the files
        request_refuse(r, "not_found", "machine", "machine %s is being %s", r->machine,
                       m->deleting ? "deleted" : "restarted");
    else if (terminal_add(m, o->id, pid_in(result, "monitor"), &failure) < 0 ||
             (o->first && first_shell_keep(m->terminals, pid_in(result, "pid"), &failure) < 0))
        request_fail(r, &failure);
    else
        request_answer(r, json_pack("{s:s}", "terminal", o->id));
    free(o);
    if (m->opening == 0 && !machine_restart_if_wanted(m))
        machine_delete_if_wanted(m);
}

static int choose_id(const machine *m, char id[17]) {
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789"; // 32 letters, none mistaken for another
    unsigned char random[TERMINAL_ID_LENGTH];
    do {
        if (getrandom(random, sizeof random, 0) != sizeof random)
            return -1;
        for (size_t i = 0; i < TERMINAL_ID_LENGTH; i++)
            id[i] = alphabet[random[i] % 32];
        id[TERMINAL_ID_LENGTH] = '\0';
    } while (terminal_find(m, id));
    return 0;
}

static size_t count_terminals(const machine *m) {
    size_t count = 0;
    for (const terminal *t = m->terminals; t; t = t->next)
        count++;
    return count;
}

void terminal_open_in(request *r, machine *m, bool first) {
    // Those being opened as well: whoever is inside can stop what comes in and so have them wait.
    if (count_terminals(m) + (size_t)m->opening >= TERMINALS_PER_MACHINE) {
        request_refuse(r, "limit", NULL, "machine %s has %d terminals; close one first", m->id, TERMINALS_PER_MACHINE);
        return;
    }
    opening *o = calloc(1, sizeof *o);
    bh_error err;
    if (!o || choose_id(m, o->id) < 0) {
        bh_fail(&err, ENOMEM, "cannot open a terminal");
    } else {
        o->request = r;
        o->direct = machine_is_self(m);
        o->first = first;
        o->service_id = slot_service_id(r->broker->config.id_base, m->slot);
        mcs_monitor_label(m->label, o->label);
        if (job_start(r->broker->loop, open_body, open_done, o, &err) == 0) {
            m->opening++; // it cannot be deleted before that is done
            return;
        }
    }
    free(o);
    request_fail(r, &err);
}

void terminal_open(request *r) {
    machine *m = request_machine_to_enter(r);
    if (m && !first_shell_give(r, m))
        terminal_open_in(r, m, false);
}

static int close_body(void *argument, json_t **result, bh_error *err) {
    (void)result;
    const request *r = argument;
    return terminal_end(r->broker, r->machine, params_string(r->params, "terminal"), err);
}

static void close_done(void *argument, json_t *result, const bh_error *err) {
    request *r = argument;
    machine *m = broker_find(r->broker, r->machine);
    terminal *t = m ? terminal_find(m, params_string(r->params, "terminal")) : NULL;
    if (!result) {
        request_fail(r, err);
        return;
    }
    if (t)
        terminal_forget(t);
    request_answer(r, NULL);
}

// The terminal that the request names; NULL when there is none, and the request is then answered.
static terminal *request_terminal(request *r) {
    machine *m = request_machine(r);
    if (!m)
        return NULL;
    const char *id = params_string(r->params, "terminal");
    terminal *t = terminal_find(m, id);
    if (!t)
        request_refuse(r, "not_found", "terminal", "no terminal %s in machine %s", id, m->id);
    return t;
}

void terminal_close(request *r) {
    bh_error err;
    if (request_terminal(r) && job_start(r->broker->loop, close_body, close_done, r, &err) < 0)
        request_fail(r, &err);
}

void channel_open(request *r) {
    if (!r->client->open_channel) {
        request_refuse(r, "unsupported", NULL,
                       "connect to the terminal's attach socket; channels exist on a link only");
        return;
    }
    terminal *t = request_terminal(r);
    if (!t)
        return;
    bh_error err;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    state_name path = terminal_file(r->broker, r->machine, t->id, ".sock");
    memcpy(address.sun_path, path.text, strnlen(path.text, sizeof address.sun_path - 1));
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        bh_fail(&err, errno, "cannot connect to terminal %s", t->id);
        request_fail(r, &err);
        return;
    }
    int channel = r->client->open_channel(r->client, take_fd(&fd), &err);
    if (channel < 0)
        request_fail(r, &err);
    else
        request_answer(r, json_pack("{s:i}", "channel", channel));
}
