// The findings for a person: grouped, one line for what was found, under it what that means, and at the end, where it
// stays on the screen, everything that wants doing.
#include "probe/report.h"

#include "probe/wrap.h"

#include <string.h>
#include <sys/utsname.h>

#define WIDTH 80
#define MARK_COLUMN 2
#define NAME_COLUMN 10
#define TEXT_COLUMN 30

static const struct {
    const char *group, *title;
} groups[] = {
    {"kernel", "Kernel"},
    {"cgroups", "Control groups"},
    {"namespaces", "Namespaces"},
    {"mounts", "Root file systems"},
    {"seccomp", "System call filters"},
    {"lsm", "Security modules"},
    {"holes", "Known holes"},
    {"settings", "Kernel settings"},
    {"vms", "Virtual machines"},
    {"capacity", "How much fits"},
};

// By state: the mark, and its colour on a terminal (ECMA-48, SGR).
static const struct {
    const char *state, *mark, *colour;
} marks[] = {
    {"good", "ok", "\033[32m"},
    {"note", "note", "\033[36m"},
    {"weak", "weak", "\033[33m"},
    {"missing", "MISSING", "\033[31m"},
};

static const char *field(const json_t *finding, const char *name) {
    return json_string_value(json_object_get(finding, name));
}

static bool is(const json_t *finding, const char *name, const char *wanted) {
    return strcmp(field(finding, name), wanted) == 0;
}

static void print_finding(const json_t *finding, bool colour, FILE *out) {
    const char *mark = "", *begin = "", *name = field(finding, "name");
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (is(finding, "state", marks[i].state)) {
            mark = marks[i].mark;
            begin = marks[i].colour;
        }
    }
    // A name that is longer than its column pushes the value to the right instead of being cut: it is what one searches
    // for.
    int column = NAME_COLUMN + (int)strlen(name) + 1;
    fprintf(out, "%*s%s%-*s%s%s ", MARK_COLUMN, "", colour ? begin : "", NAME_COLUMN - MARK_COLUMN, mark,
            colour ? "\033[0m" : "", name);
    fprintf(out, "%*s", column < TEXT_COLUMN ? TEXT_COLUMN - column : 0, "");
    wrap(out, field(finding, "shown"), column < TEXT_COLUMN ? TEXT_COLUMN : column, TEXT_COLUMN, WIDTH);
    fprintf(out, "%*s%s", NAME_COLUMN, "", colour ? "\033[2m" : "");
    wrap(out, field(finding, "means"), NAME_COLUMN, NAME_COLUMN, WIDTH);
    fputs(colour ? "\033[0m" : "", out);
}

static int print_remedies(const json_t *report, const char *state, int number, FILE *out) {
    size_t i;
    json_t *finding;
    json_array_foreach(report, i, finding) {
        char lead[160];
        if (!is(finding, "state", state) || !field(finding, "remedy"))
            continue;
        int column =
            snprintf(lead, sizeof lead, "%3d. %s, %s: ", ++number, field(finding, "group"), field(finding, "name"));
        fputs(lead, out);
        wrap(out, field(finding, "remedy"), column, 5, WIDTH);
    }
    return number;
}

static size_t count(const json_t *report, const char *state) {
    size_t i, found = 0;
    json_t *finding;
    json_array_foreach(report, i, finding) found += is(finding, "state", state);
    return found;
}

void probe_print(const json_t *report, bool colour, FILE *out) {
    struct utsname host;
    uname(&host);
    fprintf(out, "Bulkhead " BULKHEAD_VERSION " on %s: %s %s %s\n", host.nodename, host.sysname, host.release,
            host.machine);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        size_t i;
        json_t *finding;
        bool titled = false;
        json_array_foreach(report, i, finding) {
            if (!is(finding, "group", groups[g].group))
                continue;
            if (!titled)
                fprintf(out, "\n%s%s%s\n", colour ? "\033[1m" : "", groups[g].title, colour ? "\033[0m" : "");
            titled = true;
            print_finding(finding, colour, out);
        }
    }
    static const char *const verdicts[] = {"fit for Bulkhead", "fit for Bulkhead", "usable, with less",
                                           "cannot run Bulkhead's containers"};
    fprintf(out, "\nThis host: %s (%zu ok, %zu notes, %zu weak, %zu missing)\n", verdicts[probe_worst(report)],
            count(report, "good"), count(report, "note"), count(report, "weak"), count(report, "missing"));
    int number = print_remedies(report, "missing", 0, out);
    number = print_remedies(report, "weak", number, out);
    if (print_remedies(report, "note", number, out) > 0)
        fputs("What sysctl sets lasts until the next boot; a line in /etc/sysctl.d/ keeps it.\n", out);
}
