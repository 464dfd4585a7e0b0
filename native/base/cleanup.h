// Scope-bound release: a variable declared with one of these attributes is released when it goes out of scope,
// so an early `return bh_fail(...)` never leaks. To hand ownership out, use take_fd / take_pointer.
#pragma once

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_fd_(int *fd) {
    if (*fd >= 0)
        close(*fd);
}
static inline void cleanup_free_(void *pointer) {
    free(*(void **)pointer);
}
static inline void cleanup_dir_(DIR **dir) {
    if (*dir)
        closedir(*dir);
}
static inline void cleanup_file_(FILE **file) {
    if (*file)
        fclose(*file);
}
static inline void cleanup_json_(json_t **value) {
    json_decref(*value);
}

#define cleanup_fd __attribute__((cleanup(cleanup_fd_)))
#define cleanup_free __attribute__((cleanup(cleanup_free_)))
#define cleanup_dir __attribute__((cleanup(cleanup_dir_)))
#define cleanup_file __attribute__((cleanup(cleanup_file_)))
#define cleanup_json __attribute__((cleanup(cleanup_json_)))

// Returns *fd and leaves -1 behind, so that its cleanup does nothing.
static inline int take_fd(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}

// Returns *pointer and leaves NULL behind, so that its cleanup does nothing.
#define take_pointer(pointer)                                                                                          \
    ({                                                                                                                 \
        __typeof__(pointer) taken_ = (pointer);                                                                        \
        (pointer) = NULL;                                                                                              \
        taken_;                                                                                                        \
    })
