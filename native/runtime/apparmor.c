// AppArmor: see apparmor.h. https://gitlab.com/apparmor/apparmor/-/wikis/AppArmorInterfaces
#include "runtime/apparmor.h"
#include "base/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int apparmor_check(const char *profile, bh_error *err) {
    char enabled[8] = "";
    bh_error ignored;
    // Without AppArmor everything is unconfined.
    if (!profile || strcmp(profile, "unconfined") == 0)
        return 0;
    if (fs_read(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", enabled, sizeof enabled, &ignored) < 0 ||
        enabled[0] != 'Y')
        return bh_fail(err, 0,
                       "process.apparmorProfile is %s, and this kernel runs without AppArmor (see "
                       "/sys/kernel/security/lsm)",
                       profile);
    return 0;
}

int apparmor_enter_on_exec(const char *profile, int proc_fd, bh_error *err) {
    char text[512];
    if (!profile || strcmp(profile, "unconfined") == 0)
        return 0;
    snprintf(text, sizeof text, "exec %s", profile);
    return fs_write(proc_fd, "thread-self/attr/apparmor/exec", text, err) < 0
               ? bh_wrap(err, "process.apparmorProfile %s (is it loaded? see /sys/kernel/security/apparmor/profiles)",
                         profile)
               : 0;
}
