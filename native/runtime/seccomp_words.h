// The words of config.json's linux.seccomp, and the constants of libseccomp and the kernel that they stand for.
#pragma once

#include "base/error.h"
#include "runtime/json_field.h"

#include <jansson.h>
#include <seccomp.h>
#include <stdint.h>

// `number` is what SCMP_ACT_ERRNO and SCMP_ACT_TRACE answer; negative: the profile does not say, so EPERM.
// `where` names the field in errors.
int seccomp_read_action(const char *name, const char *where, int64_t number, uint32_t *action, bh_error *err);
int seccomp_read_operator(const char *name, const char *where, enum scmp_compare *compare, bh_error *err);
int seccomp_read_architecture(const char *name, const char *where, uint32_t *token, bh_error *err);
// Adds the SECCOMP_FILTER_FLAG_* of the name to *flags.
int seccomp_read_flag(const char *name, const char *where, unsigned *flags, bh_error *err);
// All of them, as `features` has them under linux.seccomp. A new reference.
json_t *seccomp_words(void);
