// Templates of VMs: see template.h. How one is saved and copied: vm_template.c.
#include "broker/template.h"

#include "base/cleanup.h"
#include "broker/create.h"
#include "broker/end.h"
#include "broker/guest_vm.h"
#include "broker/ids.h"
#include "broker/job.h"
#include "broker/log.h"
#include "broker/vm_hello.h"
#include "broker/vm_template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Each holds about 120 MB: what a kernel and a user land touch while they boot.
#define TEMPLATES_MAX 4
// A boot takes 4 s under emulation; one in some hundreds hangs, and then the VM that is wanted boots itself.
#define BOOT_TIMEOUT_MS 30000
#define WARM_TIMEOUT_MS 30000
// A guest counts its host as gone after a second (guest/link_port.c).
#define SETTLE_MS 1500

// A machine that is to be a copy once the template is ready.
typedef struct waiting {
    request *request;
    machine *machine;
    struct waiting *next;
} waiting;

struct template {
    broker *broker;
    char key[VM_KEY_MAX];
    vm_memory memory; // memfds of the broker's process; jobs open them by its /proc/PID/fd
    bool ready;
    machine *vm;   // the VM that becomes the template, while it boots
    int users;     // copies that are being made
    bool outdated; // not to be copied any more; freed with its last user
    waiting *waiting;
    template *next;
};

static void drop(template *t) {
    t->outdated = true;
    if (t->users > 0 || t->vm)
        return;
    for (template **at = &t->broker->templates; *at; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    vm_memory_close(&t->memory);
    free(t);
}

// Templates of an image or a QEMU that is not there any more go, and the oldest when there are too many.
static void drop_outdated(broker *b, const char *key) {
    size_t kept = 0;
    template *next;
    for (template *t = b->templates; t; t = next) {
        next = t->next;
        bool same_image = strncmp(t->key, key, strcspn(key, " ")) == 0;
        if (!t->outdated && t->ready && (!same_image || ++kept >= TEMPLATES_MAX))
            drop(t);
    }
}

int template_open(const template *t, vm_memory *memory, bh_error *err) {
    *memory = (vm_memory){-1, -1, t->ready};
    const int from[] = {t->memory.ram, t->memory.state};
    int *to[] = {&memory->ram, &memory->state};
    for (size_t i = 0; i < 2; i++) {
        // A new description, with an offset of its own: copies read the saved state side by side.
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getppid(), from[i]);
        *to[i] = open(path, O_RDWR | O_CLOEXEC);
        if (*to[i] < 0) {
            int code = errno;
            vm_memory_close(memory);
            return bh_fail(err, code, "cannot open the VM template");
        }
    }
    return 0;
}

// What a first shell reads is then in every copy's memory from the beginning, and the shell itself waits there.
static int warm(const char *link, bh_error *err) {
    json_t *command = json_pack("[s, s, s]", "/bin/bash", "-lic", "ls / /root; id; uptime");
    json_t *params = json_pack("{s:s, s:o, s:i, s:i}", "machine", "host", "command", command, "timeout_ms",
                               WARM_TIMEOUT_MS, "max_output_bytes", 0);
    if (vm_ask_guest(link, "exec", params, WARM_TIMEOUT_MS, err) < 0)
        return -1;
    json_t *itself = json_pack("{s:s}", "machine", "host");
    bh_error why;
    if (vm_ask_guest(link, "terminal.prepare", itself, WARM_TIMEOUT_MS, &why) < 0)
        log_info("copies of this template will start their first shell themselves: %s", why.message);
    return 0;
}

// Until the guest has noticed that nobody talks to it any more, and has done what it had put off: what is left undone,
// every copy would do.
static void let_it_settle(void) {
    struct timespec left = {SETTLE_MS / 1000, SETTLE_MS % 1000 * 1000000L};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

static int boot_and_save(template *t, vm_plan *plan, bh_error *err) {
    pid_t pid;
    char link[256];
    snprintf(link, sizeof link, "%s/link.sock", plan->dir.text);
    if (vm_start(&plan->spec, &pid, err) < 0 || vm_wait_for_hello(link, BOOT_TIMEOUT_MS, err) < 0 ||
        warm(link, err) < 0)
        return -1;
    let_it_settle();
    return vm_template_save(&plan->spec, err) < 0
               ? -1
               : machine_destroy(t->broker, t->vm->id, err); // nobody may have the memory mapped when it is sealed
}

static int make_body(void *argument, json_t **result, bh_error *err) {
    template *t = argument;
    (void)result;
    vm_memory memory;
    vm_plan plan;
    if (template_open(t, &memory, err) < 0)
        return -1;
    if (guest_vm_plan(t->vm, &plan, err) == 0) {
        plan.spec.memory = &memory;
        if (boot_and_save(t, &plan, err) == 0)
            return vm_memory_seal(&memory, err);
    }
    bh_error leftover;
    if (machine_destroy(t->broker, t->vm->id, &leftover) < 0)
        log_error("machine %s: %s", t->vm->id, leftover.message);
    return -1;
}

static void begin_copy(template *t, request *r, machine *m) {
    m->template = t;
    t->users++;
    machine_make(r, m, guest_vm_make);
}

static void make_done(void *argument, json_t *result, const bh_error *failure) {
    template *t = argument;
    machine *vm = t->vm;
    t->vm = NULL;
    t->ready = result != NULL;
    if (!machine_delete_if_wanted(vm))
        broker_forget(t->broker, vm);
    if (t->ready)
        log_info("a VM template is ready: %s", t->key);
    else
        log_error("no VM template can be made, so VMs boot: %s", failure->message);
    for (waiting *w; (w = t->waiting);) {
        t->waiting = w->next;
        if (t->ready)
            begin_copy(t, w->request, w->machine);
        else
            machine_make(w->request, w->machine, guest_vm_make);
        free(w);
    }
    if (!t->ready)
        drop(t);
}

// The VM that boots to become the template: like the one that is wanted, under a name of its own, in the state of a
// machine that is being made, so that the next broker removes it if this one dies meanwhile.
static machine *begin_vm(const machine *like, bh_error *err) {
    static unsigned int number;
    broker *b = like->broker;
    char id[33];
    snprintf(id, sizeof id, "template-%u", ++number);
    int32_t slot = slot_allocate(b->machines, b->config.id_base, &b->next_slot);
    char label[MCS_LABEL_MAX];
    if (mcs_give(b->machines, b->accel.accel, label, err) < 0)
        return NULL;
    machine *m = slot >= 0 && !broker_find(b, id) ? machine_new(id) : NULL;
    if (!m) {
        bh_fail(err, ENOMEM, "there is no room for a VM template");
        return NULL;
    }
    m->broker = b;
    m->kind = MACHINE_VM;
    m->state = MACHINE_CREATING;
    m->slot = slot;
    m->created_ms = like->created_ms;
    m->limits = like->limits;
    m->selinux = like->selinux;
    memcpy(m->label, label, sizeof m->label);
    snprintf(m->image, sizeof m->image, "%s", like->image);
    snprintf(m->hostname, sizeof m->hostname, "vm");
    broker_remember(b, m);
    return m;
}

static template *begin_template(const machine *like, const char *key, bh_error *err) {
    template *t = calloc(1, sizeof *t);
    if (!t) {
        bh_fail(err, ENOMEM, "there is no room for a VM template");
        return NULL;
    }
    t->broker = like->broker;
    snprintf(t->key, sizeof t->key, "%s", key);
    if (vm_memory_make(&t->memory, like->limits.memory_bytes, err) == 0) {
        if ((t->vm = begin_vm(like, err)) && job_start(t->broker->loop, make_body, make_done, t, err) == 0) {
            t->next = t->broker->templates;
            t->broker->templates = t;
            return t;
        }
        if (t->vm)
            broker_forget(t->broker, t->vm);
        vm_memory_close(&t->memory);
    }
    free(t);
    return NULL;
}

static template *find(const broker *b, const char *key) {
    template *t = b->templates;
    while (t && (t->outdated || strcmp(t->key, key) != 0))
        t = t->next;
    return t;
}

void template_use(request *r, machine *m) {
    char key[VM_KEY_MAX];
    bh_error err;
    template *t = NULL;
    waiting *w = NULL;
    if (guest_vm_key(m, key, sizeof key, &err) == 0) {
        drop_outdated(m->broker, key);
        t = find(m->broker, key);
        if (!t)
            t = begin_template(m, key, &err);
    }
    if (t && t->ready) {
        begin_copy(t, r, m);
        return;
    }
    if (t && !(w = calloc(1, sizeof *w)))
        bh_fail(&err, ENOMEM, "there is no room to wait for it");
    if (!w) {
        log_error("no VM template can be made, so the VM boots: %s", err.message);
        machine_make(r, m, guest_vm_make);
        return;
    }
    *w = (waiting){r, m, NULL};
    waiting **last = &t->waiting;
    while (*last)
        last = &(*last)->next;
    *last = w;
}

void template_release(machine *m) {
    template *t = m->template;
    m->template = NULL;
    if (t && --t->users == 0 && t->outdated)
        drop(t);
}

void templates_free(broker *b) {
    while (b->templates) {
        template *t = b->templates;
        b->templates = t->next;
        while (t->waiting) {
            waiting *w = t->waiting;
            t->waiting = w->next;
            free(w);
        }
        vm_memory_close(&t->memory);
        free(t);
    }
}
