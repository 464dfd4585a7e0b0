// Which acceleration works: see vm.h. Only a guest that boots tells: /dev/kvm may open, make a machine and a CPU, and
// still never run one instruction of a guest.
#include "broker/vm.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "broker/process.h"
#include "broker/vm_command.h"
#include "broker/vm_console.h"
#include "broker/vm_hello.h"
#include "probe/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRIAL_TIMEOUT_MS 15000
#define TRIAL_MEMORY ((int64_t)256 * 1024 * 1024)
#define NOBODY 65534

int vm_fingerprint(const char *image_dir, char *text, size_t size, bh_error *err) {
    char path[512];
    snprintf(path, sizeof path, "%s/image.json", image_dir);
    json_error_t why;
    cleanup_json json_t *image = json_load_file(path, 0, &why);
    const char *digest = json_string_value(json_object_get(image, "digest"));
    if (!digest)
        return bh_fail(err, 0, "cannot read %s (labs/images/build makes it)", path);
    struct utsname host;
    struct stat qemu = {0};
    uname(&host);
    stat(VM_QEMU, &qemu);
    snprintf(text, size, "%s QEMU %" PRId64 " %" PRId64 " on %s %s", digest, (int64_t)qemu.st_mtime,
             (int64_t)qemu.st_size, host.release, host.version);
    return 0;
}

// What the finding depends on: all that, whether there is a /dev/kvm, and what was wished for.
static int make_key(const char *image_dir, const char *wish, char *key, size_t size, bh_error *err) {
    char fingerprint[400];
    if (vm_fingerprint(image_dir, fingerprint, sizeof fingerprint, err) < 0)
        return -1;
    bool has_kvm = access("/dev/kvm", F_OK) == 0;
    snprintf(key, size, "%s %s %s", fingerprint, has_kvm ? "kvm" : "no-kvm", wish);
    return 0;
}

static bool read_finding(const char *path, const char *key, vm_accel *found) {
    json_error_t why;
    cleanup_json json_t *kept = json_load_file(path, 0, &why);
    const char *kept_key, *accel, *machine, *reason;
    if (json_unpack(kept, "{s:s, s:s, s:s, s:s}", "key", &kept_key, "accel", &accel, "machine", &machine, "reason",
                    &reason) < 0 ||
        strcmp(kept_key, key) != 0)
        return false;
    snprintf(found->accel, sizeof found->accel, "%s", accel);
    snprintf(found->machine, sizeof found->machine, "%s", machine);
    snprintf(found->reason, sizeof found->reason, "%s", reason);
    return true;
}

static int write_finding(const char *path, const char *key, const vm_accel *found, bh_error *err) {
    cleanup_json json_t *kept = json_pack("{s:s, s:s, s:s, s:s}", "key", key, "accel", found->accel, "machine",
                                          found->machine, "reason", found->reason);
    cleanup_free char *text = kept ? json_dumps(kept, JSON_INDENT(2)) : NULL;
    if (!text)
        return bh_fail(err, ENOMEM, "cannot write %s", path);
    return fs_replace(AT_FDCWD, path, text, 0644, err);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Boots the image with KVM in a directory of its own. Returns the milliseconds it took to answer, or negative.
static int64_t try_kvm_in(const char *dir, const char *image_dir, bh_error *err) {
    vm_spec spec = {
        .dir = dir,
        .image_dir = image_dir,
        .hostname = "trial",
        .machine_id = "trial",
        .memory_bytes = TRIAL_MEMORY,
        .cpus = 1,
        .uid = NOBODY,
        .gid = NOBODY,
        .accel = "kvm",
    };
    char link[512];
    snprintf(link, sizeof link, "%s/link.sock", dir);
    int64_t began = now_ms();
    pid_t qemu;
    if (vm_start(&spec, &qemu, err) < 0)
        return -1;
    bh_error silence;
    int answered = vm_wait_for_hello(link, TRIAL_TIMEOUT_MS, &silence);
    int64_t took = now_ms() - began;
    kill(qemu, SIGKILL);
    // The console's keeper is our child as well: it ends after QEMU, when it has written everything.
    while (wait(NULL) > 0 || errno == EINTR)
        continue;
    if (answered == 0)
        return took;
    char words[128];
    vm_console_last_line(dir, words, sizeof words);
    return *words ? bh_fail(err, 0, "%s; its last words: %s", silence.message, words)
                  : bh_fail(err, 0, "%s", silence.message);
}

static int64_t try_kvm(const char *state_dir, const char *image_dir, bh_error *err) {
    char dir[256];
    snprintf(dir, sizeof dir, "%s/kvm-trial-XXXXXX", state_dir);
    if (!mkdtemp(dir))
        return bh_fail(err, errno, "cannot make %s", dir);
    bh_error ignored;
    int64_t took = try_kvm_in(dir, image_dir, err);
    fs_remove_tree(AT_FDCWD, dir, &ignored);
    return took;
}

__attribute__((format(printf, 3, 4))) static void conclude(vm_accel *found, const char *accel, const char *format,
                                                           ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(found->reason, sizeof found->reason, format, args);
    va_end(args);
    snprintf(found->accel, sizeof found->accel, "%s", accel);
    snprintf(found->machine, sizeof found->machine, "%s", *accel ? vm_machine(accel) : "");
}

// QEMU 7.2 is Debian 12's, the oldest that any of this was tried with.
#define QEMU_MAJOR 7
#define QEMU_MINOR 2

// Whether QEMU can do what is asked of it here; if not, `why` says so.
static bool is_recent(char *why, size_t size) {
    char *argv[] = {VM_QEMU, "--version", NULL};
    process_spec spec = {.argv = argv, .output_max = 256, .timeout_ms = TRIAL_TIMEOUT_MS};
    process_result result;
    bh_error err;
    if (process_run(&spec, &result, &err) < 0) {
        snprintf(why, size, "%.200s", err.message);
        return false;
    }
    int major = 0, minor = 0;
    bool told = sscanf(result.out.bytes, "QEMU emulator version %d.%d", &major, &minor) == 2;
    process_result_free(&result);
    if (!told)
        snprintf(why, size, VM_QEMU " does not say which version it is (apt-get install --reinstall qemu-system-x86)");
    else
        snprintf(why, size, "QEMU %d.%d is too old: %d.%d or newer is needed (apt-get install qemu-system-x86)", major,
                 minor, QEMU_MAJOR, QEMU_MINOR);
    return told && (major > QEMU_MAJOR || (major == QEMU_MAJOR && minor >= QEMU_MINOR));
}

static void find(const char *state_dir, const char *image_dir, const char *wish, vm_accel *found) {
    char why[220];
    if (!is_recent(why, sizeof why)) {
        conclude(found, "", "%s", why);
        return;
    }
    if (strcmp(wish, "tcg") == 0) {
        conclude(found, "tcg", "emulation was asked for");
        return;
    }
    // A VM that is asked to have KVM and cannot is not quietly given something ten times slower.
    const char *instead = strcmp(wish, "kvm") == 0 ? "" : "tcg";
    if (access("/dev/kvm", F_OK) < 0) {
        conclude(found, instead, "this host has no /dev/kvm");
        return;
    }
    bh_error err = {0};
    // A guest of a few instructions first: where that hangs, the image would, for TRIAL_TIMEOUT_MS.
    int64_t took = kvm_try(&err) < 0 ? -1 : try_kvm(state_dir, image_dir, &err);
    if (took >= 0)
        conclude(found, "kvm", "a guest booted with KVM in %" PRId64 " ms", took);
    else
        conclude(found, instead, "KVM does not work here: %.220s", err.message);
}

int vm_find_accel(const char *state_dir, const char *image_dir, const char *wish, vm_accel *found, bh_error *err) {
    *found = (vm_accel){0};
    if (access(VM_QEMU, X_OK) < 0) {
        conclude(found, "", VM_QEMU " is missing (apt-get install qemu-system-x86)");
        return 0;
    }
    char key[512], path[512], lock_path[512];
    snprintf(path, sizeof path, "%s/accel.json", state_dir);
    snprintf(lock_path, sizeof lock_path, "%s/accel.lock", state_dir);
    // One trial at a time; who waits finds its result.
    cleanup_fd int lock = open(lock_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        return bh_fail(err, errno, "cannot lock %s", lock_path);
    if (make_key(image_dir, wish, key, sizeof key, err) < 0)
        return -1;
    if (read_finding(path, key, found))
        return 0;
    find(state_dir, image_dir, wish, found);
    return write_finding(path, key, found, err);
}
