// file.read, file.write and file.list: in a container done with its own root's rights, and by the guest's root in a
// guest.
#include "base/base64.h"
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "broker/exec_group.h"
#include "broker/files.h"
#include "broker/identity.h"
#include "broker/job.h"
#include "broker/methods.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

// A file system that a learner serves (FUSE, in a VM) answers when the learner likes.
#define FILE_LIMIT_S 10

typedef struct file_work {
    request *request;
    // Of the container's first process; 0 for the guest itself.
    pid_t pid;
    uint64_t start_time;
    state_name group;
} file_work;

// From here on this process may do to files what the container's root may, and no more: through its /proc and /sys,
// which are of the host's kernel, the host's root could change the host.
static int become_root_of(int userns, bh_error *err) {
    if (setgroups(0, NULL) < 0 || setns(userns, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return bh_fail(err, errno, "cannot become the container's root");
    // Another user id takes away what makes a job die with its broker (prctl(2)).
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return 0;
}

// The root directory of the machine, and the rights of whoever is root there.
static int enter(const file_work *work, bh_error *err) {
    // Its memory is charged where the machine's is: what is written to a disk that is memory, above all.
    if (cgroup_join_self(work->group.text, err) < 0)
        return -1;
    if (work->pid == 0) {
        int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return root < 0 ? bh_fail(err, errno, "cannot open the root directory") : root;
    }
    cleanup_fd int root = process_open_file(work->pid, "root", O_PATH | O_DIRECTORY, err);
    cleanup_fd int userns = root < 0 ? -1 : process_open_file(work->pid, "ns/user", O_RDONLY, err);
    if (userns < 0)
        return -1;
    // Looked at after both were opened: the process that has this pid now had it then.
    if (process_start_time(work->pid) != work->start_time)
        return bh_fail(err, ESRCH, "the container has ended");
    return become_root_of(userns, err) < 0 ? -1 : take_fd(&root);
}

// Only there so that the call under way ends with EINTR.
static void give_up(int signal_number) {
    (void)signal_number;
}

static int enter_for_a_while(void *argument, bh_error *err) {
    struct sigaction on_alarm = {.sa_handler = give_up}; // without SA_RESTART
    sigaction(SIGALRM, &on_alarm, NULL);
    alarm(FILE_LIMIT_S);
    return enter(argument, err);
}

static int read_body(void *argument, json_t **result, bh_error *err) {
    json_t *params = ((file_work *)argument)->request->params;
    cleanup_fd int root = enter_for_a_while(argument, err);
    return root < 0 ? -1
                    : files_read(root, params_string(params, "path"), params_integer(params, "offset", 0),
                                 (size_t)params_integer(params, "max_bytes", 0), result, err);
}

static int write_body(void *argument, json_t **result, bh_error *err) {
    (void)result;
    json_t *params = ((file_work *)argument)->request->params;
    cleanup_fd int root = enter_for_a_while(argument, err);
    const char *content = params_string(params, "content"), *before = params_string(params, "was");
    cleanup_free uint8_t *bytes = malloc(strlen(content) / 4 * 3 + 1);
    cleanup_free uint8_t *was_bytes = before ? malloc(strlen(before) / 4 * 3 + 1) : NULL;
    if (root < 0 || !bytes || (before && !was_bytes))
        return root < 0 ? -1 : bh_fail(err, ENOMEM, "cannot write a file");
    file_bytes to_write = {bytes, base64_decode(content, bytes)};
    file_bytes was = {was_bytes, before ? base64_decode(before, was_bytes) : 0};
    bool expects = before || json_is_true(json_object_get(params, "fresh"));
    return files_write(root, params_string(params, "path"), to_write, (int)params_integer(params, "mode", -1),
                       expects ? &was : NULL, err);
}

static int list_body(void *argument, json_t **result, bh_error *err) {
    cleanup_fd int root = enter_for_a_while(argument, err);
    return root < 0 ? -1
                    : files_list(root, params_string(((file_work *)argument)->request->params, "path"), result, err);
}

// What the peer can do something about, by a code and the parameter; NULL for what went wrong here.
static const char *code_for(int number) {
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return "not_found";
    case EACCES:
    case EPERM:
    case EROFS:
        return "denied";
    case EISDIR:
    case EINVAL:
    case ELOOP:
    case ENAMETOOLONG:
        return "bad_request";
    case EEXIST:
        return "exists";
    case ENOSPC:
    case EDQUOT:
        return "limit";
    default:
        return NULL;
    }
}

static void file_done(void *argument, json_t *result, const bh_error *err) {
    file_work *work = argument;
    bh_error kept; // a group that does not go now goes with the machine
    cgroup_delete(work->group.text, &kept);
    const char *code = result ? NULL : code_for(err->code);
    if (result)
        request_answer(work->request, json_incref(result));
    else if (code)
        request_refuse(work->request, code, "path", "%s", err->message);
    else
        request_fail(work->request, err);
    free(work);
}

static void start_file_work(request *r, job_body *body) {
    machine *m = request_machine_to_enter(r);
    if (!m)
        return;
    bool direct = machine_is_self(m);
    file_work *work = calloc(1, sizeof *work);
    bh_error err;
    if (work) {
        *work = (file_work){.request = r, .pid = direct ? 0 : m->pid, .start_time = m->start_time};
        if (exec_group_make(r, direct, &work->group, &err) == 0 &&
            job_start(r->broker->loop, body, file_done, work, &err) == 0)
            return;
    } else {
        bh_fail(&err, ENOMEM, "cannot reach a file");
    }
    free(work);
    request_fail(r, &err);
}

void file_read(request *r) {
    start_file_work(r, read_body);
}

void file_write(request *r) {
    start_file_work(r, write_body);
}

void file_list(request *r) {
    start_file_work(r, list_body);
}
