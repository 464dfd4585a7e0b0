// From an initramfs to the root file system of a VM: see mounts.h.
#include "guest/mounts.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "guest/boot_trace.h"
#include "guest/device_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Places in the initramfs, made by labs/images/vm/build.sh or below.
#define DISK "/disk"
#define LAYER "/layer"
#define NEW_ROOT "/root"

#define QUIET (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static int mount_on(const char *what, const char *where, const char *type, unsigned long flags, const char *options,
                    bh_error *err) {
    if (mkdir(where, 0755) < 0 && errno != EEXIST)
        return bh_fail(err, errno, "cannot create directory %s", where);
    if (mount(what, where, type, flags, options) < 0)
        return bh_fail(err, errno, "cannot mount %s on %s", what, where);
    return 0;
}

int mount_kernel_views(bh_error *err) {
    BOOT_STEP("kernel views");
    boot_step_detail(&step, "/proc /sys /dev");
    return mount_on("proc", "/proc", "proc", QUIET, NULL, err) < 0 ||
                   mount_on("sysfs", "/sys", "sysfs", QUIET, NULL, err) < 0 ||
                   mount_on("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=755", err) < 0
               ? -1
               : 0;
}

static int load_module(const char *name, bh_error *err) {
    char path[128];
    snprintf(path, sizeof path, "/modules/%s", name);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bh_fail(err, errno, "cannot open the module %s of the initramfs", path);
    // EEXIST: built into this kernel, or another one has brought it along. ENODEV: for processors of another kind, as
    // crc32c-intel is, beside which there is one for all.
    if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST && errno != ENODEV)
        return bh_fail(err, errno, "cannot load the module %s (is it of this kernel?)", name);
    return 0;
}

int load_modules(bh_error *err) {
    BOOT_STEP("modules");
    char order[4096];
    if (fs_read(AT_FDCWD, "/modules/order", order, sizeof order, err) < 0)
        return -1;
    int count = 0;
    char *rest = order;
    for (char *name; (name = strsep(&rest, "\n")) != NULL; count++) {
        if (load_module(name, err) < 0)
            return -1;
    }
    boot_step_detail(&step, "%d modules", count);
    return fs_remove_tree(AT_FDCWD, "/modules", err); // an initramfs is memory
}

// QEMU's disk is virtio, and there once its driver is loaded; a tab's emulator has an IDE disk, which the kernel finds
// in its own time.
static const char *const disks[] = {"/dev/vda", "/dev/sda"};

static int find_disk(bool *missing, bh_error *err) {
    for (int i = 0; i < (int)(sizeof disks / sizeof *disks); i++)
        if (access(disks[i], F_OK) == 0)
            return i;
    *missing = true;
    return bh_fail(err, ENOENT, "no disk: neither %s nor %s is there", disks[0], disks[1]);
}

int mount_root(bh_error *err) {
    BOOT_STEP("root file system");
    int disk = device_wait(find_disk, err);
    if (disk < 0)
        return -1;
    boot_step_detail(&step, "overlay of %s (erofs, read-only) and memory", disks[disk]);
    if (mount_on(disks[disk], DISK, "erofs", MS_RDONLY | MS_NODEV, NULL, err) < 0)
        return bh_wrap(err, "no disk");
    if (mount_on("layer", LAYER, "tmpfs", 0, "mode=755,size=50%", err) < 0)
        return -1;
    if (mkdir(LAYER "/upper", 0755) < 0 || mkdir(LAYER "/work", 0755) < 0)
        return bh_fail(err, errno, "cannot create directories in " LAYER);
    return mount_on("overlay", NEW_ROOT, "overlay", 0,
                    "lowerdir=" DISK ",upperdir=" LAYER "/upper,workdir=" LAYER "/work", err);
}

int mount_bind(const char *from, const char *to, bh_error *err) {
    if (fs_make_dirs(to, 0755, err) < 0)
        return -1;
    if (mount(from, to, NULL, MS_BIND, NULL) < 0)
        return bh_fail(err, errno, "cannot bind %s to %s", from, to);
    return 0;
}

int keep_programs(const char *state_dir, bh_error *err) {
    BOOT_STEP("programs");
    char bin[128], images[128], rootfs[128];
    snprintf(bin, sizeof bin, NEW_ROOT "%s/bin", state_dir);
    snprintf(images, sizeof images, NEW_ROOT "%s/images", state_dir);
    snprintf(rootfs, sizeof rootfs, NEW_ROOT "%s/images/base/rootfs", state_dir);
    boot_step_detail(&step, "%s/bin", state_dir);
    if (mount_on("run", NEW_ROOT "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=20%", err) < 0)
        return -1;
    // The initramfs stays in memory as long as something of it is mounted; a copy would be in memory twice.
    return mount_bind("/bin", bin, err) < 0 || mount_bind("/images", images, err) < 0 ||
                   mount_bind(DISK, rootfs, err) < 0
               ? -1
               : 0;
}

int switch_root(bh_error *err) {
    BOOT_STEP("switch root");
    static const char *const moved[] = {"/proc", "/sys", "/dev"};
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
        char to[32];
        snprintf(to, sizeof to, NEW_ROOT "%s", moved[i]);
        if (mount(moved[i], to, NULL, MS_MOVE, NULL) < 0)
            return bh_fail(err, errno, "cannot move %s to %s", moved[i], to);
    }
    // An initramfs cannot be unmounted, so pivot_root(2) refuses it: the new root is moved over it instead.
    if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return bh_fail(err, errno, "cannot make " NEW_ROOT " the root");
    return 0;
}

int mount_the_rest(bh_error *err) {
    BOOT_STEP("terminals and memory");
    static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                           {"/proc/self/fd/0", "/dev/stdin"},
                                           {"/proc/self/fd/1", "/dev/stdout"},
                                           {"/proc/self/fd/2", "/dev/stderr"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        if (symlink(links[i][0], links[i][1]) < 0)
            return bh_fail(err, errno, "cannot link %s", links[i][1]);
    }
    boot_step_detail(&step, "/dev/pts /dev/shm /dev/mqueue");
    // Group 5 is tty: what lets write(1) reach another's terminal and nothing else.
    return mount_on("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666", err) < 0 ||
                   mount_on("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", err) < 0 ||
                   mount_on("mqueue", "/dev/mqueue", "mqueue", QUIET, NULL, err) < 0
               ? -1
               : 0;
}

int mount_cgroups(bh_error *err) {
    BOOT_STEP("cgroups");
    char controllers[256];
    if (mount_on("cgroup2", "/sys/fs/cgroup", "cgroup2", QUIET, "nsdelegate,memory_recursiveprot", err) < 0 ||
        fs_read(AT_FDCWD, "/sys/fs/cgroup/cgroup.controllers", controllers, sizeof controllers, err) < 0)
        return -1;
    boot_step_detail(&step, "v2: %s", controllers);
    // For the groups below. The root itself has no limits: it is the whole guest, and QEMU's cgroup on the host bounds
    // that.
    char *rest = controllers;
    for (char *name; (name = strsep(&rest, " ")) != NULL;) {
        char enable[64];
        snprintf(enable, sizeof enable, "+%s", name);
        if (fs_write(AT_FDCWD, "/sys/fs/cgroup/cgroup.subtree_control", enable, err) < 0)
            return -1;
    }
    return 0;
}
