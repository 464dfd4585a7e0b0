// A guest's SELinux: see selinux.h.
#include "guest/selinux.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/selinux.h"
#include "guest/boot_trace.h"
#include "guest/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELINUXFS "/sys/fs/selinux"
// In the initramfs; labs/images/vm/build.sh puts it there.
#define POLICY_DIR "/selinux"
#define POLICY POLICY_DIR "/policy/policy.33"
#define ROOT_TO_BE "/root"

#define OBJECT(type) "system_u:object_r:" type ":s0"
#define BROKER "system_u:system_r:bulkheadd_t:s0-s0:c0.c1023"

// What the policy decides by the file. The initramfs is memory, so its labels are set at every boot.
static const struct {
    const char *path, *label;
} labels[] = {
    {"/bin/bulkhead", OBJECT("runtime_exec_t")}, {"/bin/bulkhead-monitor", OBJECT("monitor_exec_t")},
    {"/dev/null", OBJECT("public_device_t")},    {"/dev/zero", OBJECT("public_device_t")},
    {"/dev/full", OBJECT("public_device_t")},    {"/dev/random", OBJECT("public_device_t")},
    {"/dev/urandom", OBJECT("public_device_t")}, {"/dev/tty", OBJECT("public_device_t")},
};

static bool is_selinux_kernel(void) {
    // Made by the kernel for selinuxfs to be mounted on, when it runs with this LSM and not otherwise.
    return access(SELINUXFS, F_OK) == 0;
}

static int load_policy(off_t *bytes, bh_error *err) {
    cleanup_fd int file = open(POLICY, O_RDONLY | O_CLOEXEC);
    cleanup_fd int load = open(SELINUXFS "/load", O_WRONLY | O_CLOEXEC);
    struct stat info;
    if (file < 0 || load < 0 || fstat(file, &info) < 0)
        return bh_fail(err, errno, "cannot open the policy " POLICY);
    size_t size = (size_t)info.st_size;
    cleanup_free char *policy = malloc(size);
    if (!policy || read(file, policy, size) != (ssize_t)size)
        return bh_fail(err, errno, "cannot read the policy " POLICY);
    // In one write: the kernel takes each for a whole policy.
    if (write(load, policy, size) != (ssize_t)size)
        return bh_fail(err, errno, "the kernel does not take the policy " POLICY);
    *bytes = info.st_size;
    return 0;
}

int start_selinux(bh_error *err) {
    off_t bytes = 0;
    if (!is_selinux_kernel())
        return 0;
    BOOT_STEP("SELinux");
    if (mount("selinuxfs", SELINUXFS, "selinuxfs", MS_NOSUID | MS_NOEXEC, NULL) < 0)
        return bh_fail(err, errno, "cannot mount selinuxfs");
    if (load_policy(&bytes, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (selinux_label_file(AT_FDCWD, labels[i].path, labels[i].label, err) < 0)
            return -1;
    cleanup_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    // From kernel_t, which every process has had so far, and with all the categories.
    if (selinux_write_attribute(proc, "current", BROKER, err) < 0)
        return -1;
    boot_step_detail(&step, "a policy of %lld bytes, enforcing; pid 1 is " BROKER, (long long)bytes);
    return fs_write(AT_FDCWD, SELINUXFS "/enforce", "1", err);
}

int keep_policy(bh_error *err) {
    if (!is_selinux_kernel())
        return 0;
    // libselinux counts a system as one with SELinux when this file is there: id -Z, sestatus.
    if (fs_make_dirs(ROOT_TO_BE "/etc/selinux", 0755, err) < 0 ||
        fs_replace(AT_FDCWD, ROOT_TO_BE "/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=bulkhead\n", 0644, err) <
            0)
        return -1;
    return mount_bind(POLICY_DIR, ROOT_TO_BE "/etc/selinux/bulkhead", err);
}
