// Linked into the programs of `make SANITIZED=1` only. Options are compiled in, since the broker starts everything with
// an environment of its own. A report goes to a folder where whoever runs the tests looks for it: the standard error of
// a container's first process is the learner's.
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

#define REPORTS "log_path=/tmp/bulkhead-sanitizer/report:log_exe_name=1:exitcode=86"

const char *__asan_default_options(void) {
    return REPORTS ":detect_stack_use_after_return=1:strict_string_checks=1";
}

const char *__ubsan_default_options(void) {
    return REPORTS ":print_stacktrace=1";
}
