// How a VM ended: see vm_end.h.
#include "broker/vm_end.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *const names[] = {
    [END_UNKNOWN] = "lost", [END_PANIC] = "panic", [END_POWEROFF] = "poweroff", [END_REBOOT] = "reboot",
    [END_EXIT] = "exit",    [END_CRASH] = "crash", [END_OOM] = "oom",
};

const char *end_cause_name(end_cause cause) {
    return names[cause];
}

end_cause end_cause_from(const char *name) {
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0)
            return (end_cause)i;
    }
    return END_UNKNOWN;
}

// linux: kernel/panic.c, the same words in every version.
static const char panic_text[] = "Kernel panic - not syncing: ";

static const char *last(const char *text, const char *wanted) {
    const char *found = NULL;
    for (const char *at = text; (at = strstr(at, wanted)); at++)
        found = at;
    return found;
}

const char *vm_end_panic_at(const char *console) {
    return last(console, panic_text);
}

bool vm_end_panic_words(const char *console, char *words, size_t size) {
    const char *at = vm_end_panic_at(console);
    size_t length = 0;
    words[0] = '\0';
    if (!at)
        return false;
    for (at += sizeof panic_text - 1; *at && *at != '\n' && length + 1 < size; at++) {
        if (*at >= ' ' && *at <= '~') // the guest's words, for a person: nothing that a terminal would obey
            words[length++] = *at;
    }
    words[length] = '\0';
    return true;
}

// The guest ended in a way that is the same for QEMU whether it was told to, asked to be restarted, or has panicked
// without the driver that says so: the last word on its console decides.
static end_cause by_console(const char *console, end_cause otherwise) {
    static const struct {
        const char *text;
        end_cause means;
    } says[] = {{panic_text, END_PANIC}, {VM_END_SAYS_POWEROFF, END_POWEROFF}, {VM_END_SAYS_REBOOT, END_REBOOT}};
    const char *latest = console;
    end_cause cause = otherwise;
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        const char *at = last(console, says[i].text);
        if (at && at >= latest) {
            latest = at;
            cause = says[i].means;
        }
    }
    return cause;
}

end_cause vm_end_cause(const vm_end_signs *seen) {
    bool killed = seen->status >= 0 && WIFSIGNALED(seen->status);
    bool by_sigkill = seen->status < 0 || (killed && WTERMSIG(seen->status) == SIGKILL);
    if (seen->panicked || strcmp(seen->shutdown, "guest-panic") == 0)
        return END_PANIC;
    if (strcmp(seen->shutdown, "guest-shutdown") == 0)
        return END_POWEROFF;
    if (strcmp(seen->shutdown, "guest-reset") == 0)
        return by_console(seen->console, END_REBOOT);
    if (*seen->shutdown) // host-signal, host-qmp-quit, host-error…: not the guest's doing
        return END_CRASH;
    // QEMU had no time to say anything: it was killed, or nobody listened.
    if (seen->oom && by_sigkill)
        return END_OOM;
    if (killed || (seen->status >= 0 && WEXITSTATUS(seen->status) != 0))
        return END_CRASH;
    return by_console(seen->console, seen->status < 0 ? END_UNKNOWN : END_POWEROFF);
}
