// Compiled seccomp profiles, kept in <root>/.seccomp: see seccomp_prepare in seccomp.h.
#include "base/cleanup.h"
#include "base/fs.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_key.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

// A cache file: this, then the profile's key, then the program. The key is compared as a whole, so the hash in the
// file's name only has to spread, not to resist anybody.
typedef struct cache_header {
    char version[16]; // of the program that wrote it: another libseccomp may be in the next one
    uint32_t key_length, flags, notifies;
    uint16_t lengths[SECCOMP_FILTERS];
} cache_header;

static size_t code_bytes(const uint16_t *lengths) {
    return ((size_t)lengths[SECCOMP_REFUSALS] + lengths[SECCOMP_MAIN]) * sizeof(struct sock_filter);
}

static int read_cached(const char *path, const seccomp_key *key, seccomp_program *program) {
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    cache_header header;
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0 || info.st_uid != geteuid() ||
        read(fd, &header, sizeof header) != (ssize_t)sizeof header)
        return -1;
    size_t bytes = code_bytes(header.lengths);
    if (strncmp(header.version, BULKHEAD_VERSION, sizeof header.version) != 0 || header.key_length != key->length ||
        info.st_size != (off_t)(sizeof header + header.key_length + bytes))
        return -1;
    cleanup_free char *body = malloc(header.key_length + bytes);
    if (!body || read(fd, body, header.key_length + bytes) != (ssize_t)(header.key_length + bytes) ||
        memcmp(body, key->bytes, key->length) != 0)
        return -1;
    program->code = malloc(bytes);
    if (!program->code)
        return -1;
    memcpy(program->code, body + header.key_length, bytes);
    memcpy(program->lengths, header.lengths, sizeof header.lengths);
    program->flags = header.flags;
    program->notifies = header.notifies;
    return 0;
}

// A cache that cannot be written makes the next start slower and nothing worse, so nothing here is an error.
static void write_cached(const char *path, const seccomp_key *key, const seccomp_program *program) {
    char temporary[600];
    cache_header header = {.version = BULKHEAD_VERSION,
                           .key_length = (uint32_t)key->length,
                           .flags = program->flags,
                           .notifies = program->notifies};
    struct iovec parts[] = {
        {&header, sizeof header}, {key->bytes, key->length}, {program->code, code_bytes(program->lengths)}};
    memcpy(header.lengths, program->lengths, sizeof header.lengths);
    snprintf(temporary, sizeof temporary, "%s.%d", path, getpid());
    cleanup_fd int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    ssize_t whole = (ssize_t)(parts[0].iov_len + parts[1].iov_len + parts[2].iov_len);
    if (writev(fd, parts, 3) != whole || rename(temporary, path) < 0)
        unlink(temporary);
}

static int prepare(const json_t *profile, const seccomp_key *key, const char *root, seccomp_program *program,
                   bh_error *err) {
    char path[512];
    bh_error ignored;
    snprintf(path, sizeof path, "%s/.seccomp", root);
    if (access(path, F_OK) < 0)
        fs_make_dirs(path, 0700, &ignored);
    snprintf(path, sizeof path, "%s/.seccomp/%016" PRIx64, root, seccomp_key_hash(key));
    if (read_cached(path, key, program) == 0)
        return 0;
    if (seccomp_compile(profile, program, err) < 0)
        return -1;
    write_cached(path, key, program);
    return 0;
}

int seccomp_prepare(const json_t *profile, const char *root, seccomp_program *program, bh_error *err) {
    *program = (seccomp_program){0};
    if (!profile)
        return 0;
    seccomp_key key;
    if (seccomp_key_make(profile, &key) < 0)
        return bh_fail(err, ENOMEM, "cannot read linux.seccomp");
    int result = prepare(profile, &key, root, program, err);
    seccomp_key_free(&key);
    return result;
}
