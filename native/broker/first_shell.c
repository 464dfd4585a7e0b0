// The shell that a copy finds: see first_shell.h.
//
// bash runs PROMPT_COMMAND when all else is done, so there it reads a line from a FIFO that nobody has written to. The
// template is saved while it waits. What it was before it was copied, every copy's shell has in common: its number,
// its place in memory. What it says of itself is made its own first: host name, random numbers, age.
#include "broker/first_shell.h"

#include "base/cleanup.h"
#include "broker/identity.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/profile.h"
#include "broker/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <termios.h>

#define STOP_TIMEOUT_MS 20000
#define ENVIRONMENT_MAX 16

// A process has one broker. What giving needs is opened before the template is saved: a copy does as little as it can.
static terminal *kept;
static int fifo = -1; // both ends, so that neither side waits for the other to open it
static int tty = -1;  // the shell's own

state_name first_shell_path(const broker *b) {
    state_name path;
    snprintf(path.text, sizeof path.text, "%s/first-shell", b->config.state_dir);
    return path;
}

const char *const *first_shell_environment(const broker *b) {
    static const char *environment[ENVIRONMENT_MAX];
    static char stop[256];
    size_t count = 0;
    while (profile_environment[count] && count < ENVIRONMENT_MAX - 2) {
        environment[count] = profile_environment[count];
        count++;
    }
    // `bind` has readline read what it reads at its first prompt.
    snprintf(stop, sizeof stop,
             "PROMPT_COMMAND=bind -v >/dev/null; read -r HOSTNAME RANDOM SECONDS <%s; unset PROMPT_COMMAND",
             first_shell_path(b).text);
    environment[count] = stop;
    return environment;
}

int first_shell_watch(const broker *b, bh_error *err) {
    cleanup_fd int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, first_shell_path(b).text, IN_OPEN) < 0)
        return bh_fail(err, errno, "cannot watch %s", first_shell_path(b).text);
    return take_fd(&watch);
}

int first_shell_await(const broker *b, int watch, bh_error *err) {
    struct pollfd opened = {watch, POLLIN, 0};
    int ready = poll(&opened, 1, broker_patience(b, STOP_TIMEOUT_MS));
    return ready > 0 ? 0 : bh_fail(err, ready == 0 ? ETIMEDOUT : errno, "the first shell does not come to its prompt");
}

int first_shell_keep(terminal *t, pid_t program, bh_error *err) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/1", (int)program); // 0 is what it reads from while it waits
    tty = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (tty < 0)
        return bh_fail(err, errno, "cannot open the first shell's terminal");
    unlink(first_shell_path(t->machine->broker).text); // it has it open
    t->unopened = true;
    kept = t;
    return 0;
}

void terminal_prepare(request *r) {
    bh_error err;
    machine *m = request_machine_to_enter(r);
    if (!m)
        return;
    if (!machine_is_self(m) || fifo >= 0) {
        request_refuse(r, "unsupported", "machine", "only a guest has a first shell, and only one");
        return;
    }
    state_name path = first_shell_path(r->broker);
    if (mkfifo(path.text, 0600) < 0 || (fifo = open(path.text, O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0) {
        bh_fail(&err, errno, "cannot make %s", path.text);
        request_fail(r, &err);
        return;
    }
    terminal_open_in(r, m, true);
}

// By the shell's side. Its monitor, which is told nothing, asks the pty when somebody looks.
static int set_size(const request *r, bh_error *err) {
    struct winsize size = {.ws_col = (unsigned short)params_integer(r->params, "columns", 80),
                           .ws_row = (unsigned short)params_integer(r->params, "rows", 24)};
    return ioctl(tty, TIOCSWINSZ, &size) < 0 ? bh_fail(err, errno, "cannot set the size of the first shell's terminal")
                                             : 0;
}

// The kernel's random numbers are this copy's own since identity.renew; the shell's come from a number of its own.
static int let_go(bh_error *err) {
    char hostname[65] = "", line[128];
    uint32_t seed;
    if (gethostname(hostname, sizeof hostname - 1) < 0 || getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return bh_fail(err, errno, "cannot tell the first shell who it is");
    // Whoever has been root here can have chosen any bytes, and a space would end it.
    if (!is_hostname(hostname))
        return bh_fail(err, 0, "the host name cannot be told to the first shell");
    int length = snprintf(line, sizeof line, "%s %u 0\n", hostname, seed);
    return write(fifo, line, (size_t)length) == length ? 0 : bh_fail(err, errno, "cannot let the first shell go on");
}

bool first_shell_give(request *r, machine *m) {
    if (!kept || kept->machine != m || json_object_get(r->params, "command"))
        return false;
    bh_error err = {0};
    terminal *t = kept;
    kept = NULL;
    bool goes_on = !t->exited && set_size(r, &err) == 0 && let_go(&err) == 0;
    close(take_fd(&fifo));
    close(take_fd(&tty));
    t->unopened = false;
    if (goes_on) {
        request_answer(r, json_pack("{s:s}", "terminal", t->id));
        return true;
    }
    log_info("the first shell is of no use: %s", *err.message ? err.message : "it has ended");
    terminal_end(r->broker, m->id, t->id, &err);
    terminal_forget(t);
    return false;
}
