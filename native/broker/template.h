// The broker's templates: which VM can begin as a copy, and who waits for a template that is still being made. They are
// made when they are first wanted, one per kind of VM, and made anew when QEMU or the image has changed. A broker that
// starts again has none: they live in its memory.
#pragma once

#include "broker/state.h"

typedef struct template template;

// Makes the machine as a copy of a fitting template, and answers the request, as machine_make does. The first one waits
// for its template, about as long as for a boot; where no template can be made, the machine boots.
void template_use(request *r, machine *m);
// The template's memory, opened anew: for the job that makes the copy. Close it with vm_memory_close.
int template_open(const template *t, vm_memory *memory, bh_error *err);
// The machine has been made of it, or could not be.
void template_release(machine *m);
void templates_free(broker *b);
