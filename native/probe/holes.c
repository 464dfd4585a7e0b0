// Holes in kernels that strangers in containers would use, judged by version; what stands before each in a container is
// said with it. The versions are those of the kernel's own CVE records (https://lore.kernel.org/linux-cve-announce).
#include "probe/list.h"
#include "probe/probe.h"
#include "probe/sysfile.h"
#include "probe/version.h"

#include <dirent.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const struct {
    const char *cve;
    kernel_hole hole;
    const char *module;   // that has the hole
    const char *protocol; // its name in /proc/net/protocols, or NULL
    const char *means;
} holes[] = {
    {"CVE-2026-31431",
     {{4, 14, 0},
      {{5, 10, 254}, {5, 15, 204}, {6, 1, 170}, {6, 6, 137}, {6, 12, 85}, {6, 18, 22}, {6, 19, 12}, {7, 0, 0}}},
     "algif_aead",
     "ALG",
     "Writes to files that may only be read, through AF_ALG, which the filters of both profiles refuse."},
    {"CVE-2026-43284",
     {{4, 11, 0},
      {{5, 10, 255}, {5, 15, 206}, {6, 1, 172}, {6, 6, 138}, {6, 12, 87}, {6, 18, 28}, {7, 0, 5}, {7, 1, 0}}},
     "esp4",
     NULL,
     "The same through IPsec, set up as root of a user namespace. The filters refuse netlink XFRM."},
    {"CVE-2026-43500",
     {{5, 3, 0}, {{6, 18, 29}, {7, 0, 6}, {7, 1, 0}}},
     "rxrpc",
     "RXRPC",
     "The same through AF_RXRPC, which the filters of both profiles refuse."},
    {"CVE-2026-46300",
     {{3, 9, 0},
      {{5, 10, 257}, {5, 15, 208}, {6, 1, 174}, {6, 6, 141}, {6, 12, 91}, {6, 18, 33}, {7, 0, 10}, {7, 1, 0}}},
     "esp4",
     NULL,
     "The same through IPsec over TCP. The filters refuse netlink XFRM."},
    {"CVE-2022-0492",
     {{2, 6, 24}, {{5, 10, 97}, {5, 15, 20}, {5, 16, 6}, {5, 17, 0}}},
     NULL,
     NULL,
     "Root of a user namespace sets the program that version 1 cgroups run on the host. Containers see their group "
     "read-only."},
};

static bool file_mentions(const char *path, const char *word) {
    char line[1024], wanted[48];
    FILE *file = fopen(path, "re");
    bool found = false;
    snprintf(wanted, sizeof wanted, "/%s.ko", word);
    while (file && !found && fgets(line, sizeof line, file))
        found = strstr(line, wanted) != NULL;
    if (file)
        fclose(file);
    return found;
}

static bool is_protocol(const char *name) {
    char line[256];
    FILE *file = fopen("/proc/net/protocols", "re");
    bool found = false;
    size_t length = strlen(name);
    while (file && !found && fgets(line, sizeof line, file))
        found = strncmp(line, name, length) == 0 && line[length] == ' ';
    if (file)
        fclose(file);
    return found;
}

// Whether a kernel with the hole also has the code with the hole. Nothing is opened to find out: a socket of such a
// kind would load the module, and leave it there.
static bool is_absent(const char *module, const char *protocol, const char *release) {
    // A protocol in this list is loaded. One that is not could be, where modules can: then the kernel's own list of
    // modules tells, and where that cannot be read nothing is taken for granted.
    char path[320];
    bool modular = access("/proc/modules", F_OK) == 0;
    if (!module || (protocol && is_protocol(protocol)))
        return false;
    if (!modular)
        return protocol != NULL; // not listed, and nothing can bring it
    snprintf(path, sizeof path, "/lib/modules/%.64s/modules.dep", release);
    if (access(path, R_OK) < 0)
        return false; // in a container, or gone: cannot tell
    bool loadable = file_mentions(path, module);
    snprintf(path, sizeof path, "/lib/modules/%.64s/modules.builtin", release);
    return !loadable && !file_mentions(path, module);
}

static void find_hole(json_t *report, size_t i, const running_kernel *kernel, const char *release) {
    hole_verdict verdict = version_judge(kernel, &holes[i].hole);
    char fixed[160], shown[240], remedy[240] = "";
    version_list_fixed(&holes[i].hole, fixed, sizeof fixed);
    bool absent = verdict != HOLE_CLOSED && is_absent(holes[i].module, holes[i].protocol, release);
    if (verdict == HOLE_CLOSED)
        snprintf(shown, sizeof shown, "closed");
    else if (absent)
        snprintf(shown, sizeof shown, "not in this kernel: it has no %s", holes[i].module);
    else if (verdict == HOLE_UNKNOWN)
        snprintf(shown, sizeof shown, "cannot be told by version: closed by kernel.org in %s", fixed);
    else
        snprintf(shown, sizeof shown, "OPEN by version: closed in %s", fixed);
    bool weak = verdict != HOLE_CLOSED && !absent;
    if (weak && holes[i].module)
        snprintf(remedy, sizeof remedy, "%s Until then: echo 'install %s /bin/false' > /etc/modprobe.d/%s.conf",
                 verdict == HOLE_UNKNOWN ? "Look up this kernel in the distribution's security tracker; update it."
                                         : "Update the kernel and reboot.",
                 holes[i].module, holes[i].cve);
    else if (weak)
        snprintf(remedy, sizeof remedy, "Update the kernel and reboot.");
    probe_add(report, &(probe_finding){
                          .group = "holes",
                          .name = holes[i].cve,
                          .state = weak ? PROBE_WEAK : PROBE_GOOD,
                          .value = json_string(!weak ? "closed" : (verdict == HOLE_UNKNOWN ? "unknown" : "open")),
                          .shown = shown,
                          .means = holes[i].means,
                          .remedy = weak ? remedy : NULL,
                      });
}

// What the processor leaks across the wall, as far as the kernel knows of it and has nothing against it.
static void find_processor(json_t *report) {
    static const char directory[] = "/sys/devices/system/cpu/vulnerabilities";
    word_list open = list_begin(", ");
    DIR *entries = opendir(directory);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        char path[320], text[256];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (sysfile_text(path, text, sizeof text) && strncmp(text, "Vulnerable", strlen("Vulnerable")) == 0)
            list_add(&open, entry->d_name);
    }
    bool any = *open.text != '\0';
    bool known = entries != NULL;
    if (entries)
        closedir(entries);
    probe_add(report,
              &(probe_finding){
                  .group = "holes",
                  .name = "processor",
                  .state = any ? PROBE_WEAK : (known ? PROBE_GOOD : PROBE_NOTE),
                  .value = open.array,
                  .shown = any ? open.text : (known ? "none that the kernel knows of" : "the kernel does not say"),
                  .means = any ? "One machine may read what another one has in the processor's caches."
                               : "Machines cannot read each other through the processor, as far as is known.",
                  .remedy = any ? "Update microcode and kernel; see /sys/devices/system/cpu/vulnerabilities. "
                                  "In a cloud the provider does the first."
                                : NULL,
              });
}

void probe_holes(json_t *report) {
    struct utsname host;
    uname(&host);
    running_kernel kernel = version_running(host.release, host.version);
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++)
        find_hole(report, i, &kernel, host.release);
    find_processor(report);
}
