// machine.label: the caller's own notes on a machine, exchanged for others. So a machine that was made before anybody
// asked for it becomes somebody's, in one step that a broker or a server which dies meanwhile has either done or not.
#include "broker/end.h"
#include "broker/methods.h"

void machine_label(request *r) {
    machine *m = request_machine(r);
    if (!m)
        return;
    json_t *before = m->labels;
    m->labels = json_incref(json_object_get(r->params, "labels"));
    bh_error err;
    // What is told must be what a broker that starts again reads.
    if (machine_save(m, &err) < 0) {
        json_decref(m->labels);
        m->labels = before;
        request_fail(r, &err);
        return;
    }
    json_decref(before);
    request_answer(r, json_pack("{s:o}", "machine", machine_describe(m)));
}
