// The handlers behind the dispatch table (dispatch.c), one file a subject.
#pragma once

#include "broker/state.h"

void probe(request *r);            // probe.c
void container_create(request *r); // container.c
void vm_create(request *r);        // guest_vm.c
void machine_list(request *r);     // end.c has delete, dispatch.c list and subscribe
void machine_delete(request *r);
void machine_label(request *r);                            // label.c
void machine_restart(request *r);                          // restart.c
void machine_stats(request *r);                            // stats.c
void machine_view(request *r);                             // view.c
void terminal_open(request *r);                            // terminal_open.c
void terminal_open_in(request *r, machine *m, bool first); // first: for terminal_prepare
void terminal_prepare(request *r);                         // first_shell.c
void terminal_close(request *r);
void channel_open(request *r);
void exec(request *r);      // exec.c
void check(request *r);     // check.c
void file_read(request *r); // file_methods.c
void file_write(request *r);
void file_list(request *r);
void dial(request *r);           // dial.c
void machine_freeze(request *r); // freeze.c
void machine_thaw(request *r);
void subscribe(request *r);
void identity_renew(request *r);        // renew.c
enum { CHECKPOINT_CHUNK_MAX = 262144 }; // in one line
void container_checkpoint(request *r);  // checkpoint.c
void container_checkpoint_cancel(request *r);
void container_resume(request *r);
void container_restore(request *r); // restore.c
void checkpoint_list(request *r);   // checkpoint_store.c
void checkpoint_read(request *r);
void checkpoint_write(request *r);
void checkpoint_delete(request *r);

enum { RENEW_ENTROPY_MAX = 64 };
bool is_entropy(const char *text); // an even number of hexadecimal digits
