// From a line to a handler and back to a line: the dispatch table, one row a method, and the answers.
#include "base/base64.h"
#include "base/cleanup.h"
#include "broker/check.h"
#include "broker/files.h"
#include "broker/log.h"
#include "broker/methods.h"
#include "broker/move.h"
#include "broker/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((int64_t)1024 * 1024)

#define PARAM_HOSTNAME                                                                                                 \
    {.name = "hostname",                                                                                               \
     .kind = PARAM_STRING,                                                                                             \
     .min = 1,                                                                                                         \
     .max = 63,                                                                                                        \
     .matches = is_hostname,                                                                                           \
     .pattern = "1 to 63 of a-z, 0-9 and -, not starting or ending with -"}
#define PARAM_IMAGE                                                                                                    \
    {.name = "image",                                                                                                  \
     .kind = PARAM_STRING,                                                                                             \
     .min = 1,                                                                                                         \
     .max = 32,                                                                                                        \
     .matches = is_image_name,                                                                                         \
     .pattern = "1 to 32 of a-z, 0-9, ., _ and -, starting with a letter or digit"}
#define PARAM_START                                                                                                    \
    {.name = "start",                                                                                                  \
     .kind = PARAM_STRING,                                                                                             \
     .optional = true,                                                                                                 \
     .min = 1,                                                                                                         \
     .max = 8,                                                                                                         \
     .matches = is_start,                                                                                              \
     .pattern = "boot or template"}
#define PARAM_LABELS_OF_MACHINE {.name = "labels", .kind = PARAM_LABELS, .optional = true, .max = 16}
#define PARAM_LIMIT(limit, least) {.name = limit, .kind = PARAM_INTEGER, .min = least, .max = INT64_MAX}

static const param no_params[] = {PARAM_END};
static const param machine_params[] = {PARAM_MACHINE, PARAM_END};

// The least with which a shell still starts; the most is the broker's maxima, answered with `limit`.
static const param container_limits[] = {
    PARAM_LIMIT("memory_bytes", 16 * MIB),
    PARAM_LIMIT("pids", 8),
    PARAM_LIMIT("cpu_millis", 10),
    PARAM_LIMIT("disk_bytes", MIB),
    PARAM_END,
};
static const param container_create_params[] = {
    PARAM_MACHINE,
    PARAM_IMAGE,
    {.name = "profile",
     .kind = PARAM_STRING,
     .min = 1,
     .max = 15,
     .matches = is_profile,
     .pattern = "hardened or nested"},
    PARAM_HOSTNAME,
    {.name = "limits", .kind = PARAM_OBJECT, .fields = container_limits},
    PARAM_LABELS_OF_MACHINE,
    PARAM_END,
};

static const param vm_limits[] = {
    PARAM_LIMIT("memory_bytes", 96 * MIB),
    PARAM_LIMIT("cpu_millis", 10),
    PARAM_END,
};
static const param vm_create_params[] = {
    PARAM_MACHINE,
    PARAM_IMAGE,
    PARAM_HOSTNAME,
    {.name = "limits", .kind = PARAM_OBJECT, .fields = vm_limits},
    PARAM_LABELS_OF_MACHINE,
    {.name = "features", .kind = PARAM_STRINGS, .optional = true, .max = 8},
    PARAM_START,
    PARAM_END,
};

static const param terminal_open_params[] = {
    PARAM_MACHINE,
    {.name = "columns", .kind = PARAM_INTEGER, .min = 1, .max = 65535},
    {.name = "rows", .kind = PARAM_INTEGER, .min = 1, .max = 65535},
    PARAM_COMMAND(true),
    PARAM_END,
};
static const param terminal_params[] = {PARAM_MACHINE, PARAM_TERMINAL, PARAM_END};

static const param exec_params[] = {
    PARAM_MACHINE,
    PARAM_COMMAND(false),
    {.name = "stdin", .kind = PARAM_STRING, .optional = true, .max = MIB},
    {.name = "as_learner", .kind = PARAM_BOOLEAN, .optional = true},
    {.name = "timeout_ms", .kind = PARAM_INTEGER, .min = 1, .max = 60000},
    {.name = "max_output_bytes", .kind = PARAM_INTEGER, .min = 0, .max = 65536},
    PARAM_END,
};

static const param check_params[] = {
    PARAM_MACHINE,
    {.name = "script", .kind = PARAM_STRING, .min = 3, .max = CHECK_BYTES_MAX},
    {.name = "timeout_ms", .kind = PARAM_INTEGER, .min = 1, .max = 60000},
    {.name = "max_output_bytes", .kind = PARAM_INTEGER, .min = 0, .max = 65536},
    PARAM_END,
};

static const param identity_params[] = {
    {.name = "hostname",
     .kind = PARAM_STRING,
     .optional = true,
     .min = 1,
     .max = 63,
     .matches = is_hostname,
     .pattern = "1 to 63 of a-z, 0-9 and -, not starting or ending with -"},
    {.name = "entropy",
     .kind = PARAM_STRING,
     .min = 32,
     .max = 2 * RENEW_ENTROPY_MAX,
     .matches = is_entropy,
     .pattern = "16 to 64 bytes as hexadecimal digits"},
    {.name = "unix_ms", .kind = PARAM_INTEGER, .min = 0, .max = INT64_MAX / 1000},
    PARAM_END,
};

static const param stats_params[] = {
    PARAM_MACHINE, {.name = "host", .kind = PARAM_BOOLEAN, .optional = true}, PARAM_END};
static const param label_params[] = {PARAM_MACHINE, {.name = "labels", .kind = PARAM_LABELS, .max = 16}, PARAM_END};
static const param restart_params[] = {PARAM_MACHINE, PARAM_START, PARAM_END};

#define PARAM_SNAPSHOT                                                                                                 \
    {.name = "snapshot",                                                                                               \
     .kind = PARAM_STRING,                                                                                             \
     .min = 1,                                                                                                         \
     .max = 27,                                                                                                        \
     .matches = is_machine_id,                                                                                         \
     .pattern = "1 to 27 of a-z, 0-9 and -, not starting with -"}
static const param snapshot_params[] = {PARAM_MACHINE, PARAM_SNAPSHOT, PARAM_END};

#define PARAM_CHECKPOINT                                                                                               \
    {.name = "checkpoint",                                                                                             \
     .kind = PARAM_STRING,                                                                                             \
     .min = 1,                                                                                                         \
     .max = 32,                                                                                                        \
     .matches = is_machine_id,                                                                                         \
     .pattern = "1 to 32 of a-z, 0-9 and -, not starting with -"}
#define PARAM_OFFSET {.name = "offset", .kind = PARAM_INTEGER, .min = 0, .max = INT64_MAX}
static const param checkpoint_params[] = {PARAM_CHECKPOINT, PARAM_END};
static const param container_checkpoint_params[] = {
    PARAM_MACHINE,
    PARAM_CHECKPOINT,
    {.name = "hold", .kind = PARAM_BOOLEAN, .optional = true},
    {.name = "timeout_ms", .kind = PARAM_INTEGER, .optional = true, .min = 1, .max = 60000},
    PARAM_END,
};
static const param checkpoint_read_params[] = {
    PARAM_CHECKPOINT,
    PARAM_OFFSET,
    {.name = "length", .kind = PARAM_INTEGER, .min = 1, .max = CHECKPOINT_CHUNK_MAX},
    PARAM_END,
};
static const param checkpoint_write_params[] = {
    PARAM_CHECKPOINT,
    PARAM_OFFSET,
    {.name = "data",
     .kind = PARAM_STRING,
     .min = 4,
     .max = (CHECKPOINT_CHUNK_MAX + 2) / 3 * 4,
     .matches = base64_is,
     .pattern = "base64, with padding and nothing else"},
    PARAM_END,
};
#define PARAM_PATH                                                                                                     \
    {.name = "path", .kind = PARAM_STRING, .min = 1, .max = 4095, .matches = is_path, .pattern = "an absolute path"}
static const param file_read_params[] = {
    PARAM_MACHINE,
    PARAM_PATH,
    {.name = "offset", .kind = PARAM_INTEGER, .optional = true, .min = 0, .max = INT64_MAX - FILE_BYTES_MAX - 1},
    {.name = "max_bytes", .kind = PARAM_INTEGER, .min = 1, .max = FILE_BYTES_MAX},
    PARAM_END,
};
#define PARAM_FILE_BYTES(what, may_lack)                                                                               \
    {.name = what,                                                                                                     \
     .kind = PARAM_STRING,                                                                                             \
     .optional = may_lack,                                                                                             \
     .max = (FILE_BYTES_MAX + 2) / 3 * 4,                                                                              \
     .matches = base64_is,                                                                                             \
     .pattern = "base64, with padding and nothing else"}
static const param file_write_params[] = {
    PARAM_MACHINE,
    PARAM_PATH,
    PARAM_FILE_BYTES("content", false),
    PARAM_FILE_BYTES("was", true),
    {.name = "fresh", .kind = PARAM_BOOLEAN, .optional = true},
    {.name = "mode", .kind = PARAM_INTEGER, .optional = true, .min = 0, .max = 0777},
    PARAM_END,
};
static const param file_list_params[] = {PARAM_MACHINE, PARAM_PATH, PARAM_END};
static const param dial_params[] = {
    PARAM_MACHINE, {.name = "port", .kind = PARAM_INTEGER, .min = 1, .max = 65535}, PARAM_END};

static const method methods[] = {
    {"probe", probe, no_params},
    {"container.create", container_create, container_create_params},
    {"container.checkpoint", container_checkpoint, container_checkpoint_params},
    {"container.checkpoint.cancel", container_checkpoint_cancel, machine_params},
    {"container.resume", container_resume, machine_params},
    {"container.restore", container_restore, checkpoint_params},
    {"checkpoint.list", checkpoint_list, no_params},
    {"checkpoint.read", checkpoint_read, checkpoint_read_params},
    {"checkpoint.write", checkpoint_write, checkpoint_write_params},
    {"checkpoint.delete", checkpoint_delete, checkpoint_params},
    {"vm.create", vm_create, vm_create_params},
    {"vm.migrate", vm_migrate, machine_params},
    {"vm.migrate.cancel", vm_migrate_cancel, machine_params},
    {"vm.snapshot.save", vm_snapshot_save, snapshot_params},
    {"vm.snapshot.restore", vm_snapshot_restore, snapshot_params},
    {"vm.snapshot.list", vm_snapshot_list, machine_params},
    {"vm.snapshot.delete", vm_snapshot_delete, snapshot_params},
    {"machine.list", machine_list, no_params},
    {"machine.delete", machine_delete, machine_params},
    {"machine.label", machine_label, label_params},
    {"machine.restart", machine_restart, restart_params},
    {"machine.freeze", machine_freeze, machine_params},
    {"machine.thaw", machine_thaw, machine_params},
    {"machine.stats", machine_stats, stats_params},
    {"machine.view", machine_view, machine_params},
    {"terminal.open", terminal_open, terminal_open_params},
    {"terminal.prepare", terminal_prepare, machine_params},
    {"terminal.close", terminal_close, terminal_params},
    {"channel.open", channel_open, terminal_params},
    {"exec", exec, exec_params},
    {"check", check, check_params},
    {"file.read", file_read, file_read_params},
    {"file.write", file_write, file_write_params},
    {"file.list", file_list, file_list_params},
    {"dial", dial, dial_params},
    {"subscribe", subscribe, no_params},
    {"identity.renew", identity_renew, identity_params},
};

static void send_json(client *c, json_t *value) {
    cleanup_json json_t *owned = value;
    cleanup_free char *line = json_dumps(owned, JSON_COMPACT);
    if (line)
        c->send(c, line, strlen(line));
}

static json_t *error_object(const char *code, const char *field, const char *message) {
    // It may quote bytes that are not UTF-8, or end in the middle of a character.
    json_t *error = json_pack("{s:s, s:o}", "code", code, "message", utf8_to_json(message, strlen(message)));
    if (field && *field)
        json_object_set_new(error, "field", json_string(field));
    return error;
}

static void request_free(request *r) {
    for (request **at = &r->broker->requests; *at; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            break;
        }
    }
    json_decref(r->id);
    json_decref(r->params);
    free(r);
}

void request_answer(request *r, json_t *result) {
    if (r->client)
        send_json(r->client, json_pack("{s:O, s:o}", "id", r->id, "result", result ? result : json_object()));
    else
        json_decref(result);
    request_free(r);
}

void request_refuse(request *r, const char *code, const char *field, const char *format, ...) {
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log_debug("%s refused: %s", r->method->name, message);
    if (r->client)
        send_json(r->client, json_pack("{s:O, s:o}", "id", r->id, "error", error_object(code, field, message)));
    request_free(r);
}

void request_fail(request *r, const bh_error *err) {
    const char *code = err->code == ETIMEDOUT ? "timeout" : (err->code == ENOTSUP ? "unsupported" : "failed");
    log_error("%s%s%s: %s", r->method->name, *r->machine ? " of " : "", r->machine, err->message);
    request_refuse(r, code, NULL, "%s", err->message);
}

machine *request_machine(request *r) {
    machine *m = broker_find(r->broker, r->machine);
    if (!m)
        request_refuse(r, "not_found", "machine", "no machine %s here", r->machine);
    else if (m->state == MACHINE_CREATING || m->restarting || m->deleting)
        request_refuse(r, "failed", "machine", "machine %s is being %s", m->id,
                       m->deleting     ? "deleted"
                       : m->restarting ? "restarted"
                                       : "created");
    else
        return m;
    return NULL;
}

machine *request_machine_to_enter(request *r) {
    machine *m = request_machine(r);
    if (!m)
        return NULL;
    if (m->kind == MACHINE_VM && !machine_is_self(m))
        request_refuse(r, "unsupported", "machine", "%s is a VM: ask the broker inside it, over its link", m->id);
    else if (m->state != MACHINE_RUNNING)
        request_refuse(r, "failed", "machine", "machine %s has ended: %s", m->id, m->exit);
    else if (m->checkpointing)
        request_refuse(r, "failed", "machine", "machine %s is being written down", m->id);
    else if (m->frozen || m->freezing)
        request_refuse(r, "failed", "machine", "machine %s is frozen: machine.thaw lets it go on", m->id);
    else
        return m;
    return NULL;
}

static const method *find_method(const char *name) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    }
    return NULL;
}

static size_t requests_of(const broker *b, const client *c) {
    size_t count = 0;
    for (const request *r = b->requests; r; r = r->next)
        count += r->client == c;
    return count;
}

// The envelope's keys: exactly id, method and, where there are any, params.
static const char *check_envelope(json_t *line, json_t **id, const char **field) {
    *field = NULL;
    *id = json_object_get(line, "id");
    if (!json_is_object(line))
        return "not a JSON object";
    *field = "id";
    if (!json_is_integer(*id) || json_integer_value(*id) < 0)
        return "id must be an integer that is not negative";
    *field = "method";
    if (!json_is_string(json_object_get(line, "method")))
        return "method must be a string";
    const char *key;
    json_t *value;
    json_object_foreach(line, key, value) {
        *field = key;
        if (strcmp(key, "id") != 0 && strcmp(key, "method") != 0 && strcmp(key, "params") != 0)
            return "a request has id, method and params, nothing else";
    }
    return NULL;
}

static void refuse_line(client *c, json_t *id, const char *code, const char *field, const char *message) {
    json_t *echoed = json_is_integer(id) ? json_incref(id) : json_null();
    send_json(c, json_pack("{s:o, s:o}", "id", echoed, "error", error_object(code, field, message)));
}

static void start_request(broker *b, client *c, const method *m, json_t *id, json_t *params) {
    request *r = calloc(1, sizeof *r);
    if (!r) {
        refuse_line(c, id, "failed", NULL, "the broker is out of memory");
        return;
    }
    *r = (request){.broker = b, .client = c, .method = m, .id = json_incref(id), .next = b->requests};
    r->params = params ? json_incref(params) : json_object();
    b->requests = r;
    param_fault fault;
    bh_error err;
    // Here and nowhere else: handlers rely on every parameter being there, of its type and within its bounds.
    if (params_check(m->params, r->params, &fault, &err) < 0) {
        request_refuse(r, "bad_request", *fault.field ? fault.field : "params", "%s", err.message);
        return;
    }
    const char *machine_id = params_string(r->params, "machine");
    if (machine_id)
        snprintf(r->machine, sizeof r->machine, "%s", machine_id);
    m->handle(r);
}

void broker_handle_line(broker *b, client *c, const char *line, size_t length) {
    json_error_t why;
    cleanup_json json_t *parsed = json_loadb(line, length, JSON_REJECT_DUPLICATES, &why);
    json_t *id = NULL;
    const char *field = NULL;
    const char *complaint = parsed ? check_envelope(parsed, &id, &field) : why.text;
    if (complaint) {
        refuse_line(c, id, "bad_request", field, complaint);
        return;
    }
    const method *m = find_method(json_string_value(json_object_get(parsed, "method")));
    if (!m)
        refuse_line(c, id, "unknown_method", "method", "there is no such method");
    else if (requests_of(b, c) >= REQUESTS_PER_CLIENT)
        refuse_line(c, id, "limit", NULL, "too many requests are waiting for an answer");
    else
        start_request(b, c, m, id, json_object_get(parsed, "params"));
}

void machine_list(request *r) {
    json_t *list = json_array();
    for (machine *m = r->broker->machines; m; m = m->next) {
        if (m->state != MACHINE_CREATING)
            json_array_append_new(list, machine_describe(m));
    }
    request_answer(r, json_pack("{s:o}", "machines", list));
}

void subscribe(request *r) {
    if (r->client)
        r->client->subscribed = true;
    request_answer(r, NULL);
}
