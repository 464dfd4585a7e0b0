// Keys: what the kernel keeps for a process, a session and a user (keyrings(7)).
#include "attempt.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>

static long keyctl(int operation, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    return syscall(SYS_keyctl, operation, a, b, c, d);
}

// with_key COMMAND…: runs it in a session keyring that has a key "bulkhead-escape", whose number it is given in KEY.
ATTEMPT(with_key) {
    char number[32];
    if (keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) < 0)
        return stopped("session");
    long key = syscall(SYS_add_key, "user", "bulkhead-escape", "secret", 6, KEY_SPEC_SESSION_KEYRING);
    if (key < 0)
        return stopped("add_key");
    snprintf(number, sizeof number, "%ld", key);
    setenv("KEY", number, 1);
    execvp(args[0], args);
    return stopped("exec");
}

// find_key: the same key, in the session that was left to this process.
ATTEMPT(find_key) {
    char secret[16];
    long key = keyctl(KEYCTL_SEARCH, (unsigned long)KEY_SPEC_SESSION_KEYRING, (unsigned long)"user",
                      (unsigned long)"bulkhead-escape", 0);
    if (key < 0)
        return stopped("search");
    long length = keyctl(KEYCTL_READ, (unsigned long)key, (unsigned long)secret, sizeof secret, 0);
    return length > 0 ? got("%.*s", (int)length, secret) : stopped("read");
}

// read_key NUMBER: a key by its number, whoever has it.
ATTEMPT(read_key) {
    char secret[16];
    long length = keyctl(KEYCTL_READ, strtoul(args[0], NULL, 10), (unsigned long)secret, sizeof secret, 0);
    return length > 0 ? got("%.*s", (int)length, secret) : stopped("read");
}

// user_key: one's user keyring, which all processes of a user share; of which it tells the number.
ATTEMPT(user_key) {
    long ring = keyctl(KEYCTL_GET_KEYRING_ID, (unsigned long)KEY_SPEC_USER_KEYRING, 1, 0, 0);
    return ring >= 0 ? got("%ld", ring) : stopped("user keyring");
}
