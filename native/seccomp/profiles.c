// The seccomp profiles' text, taken in by the assembler (paths are relative to native/, where make runs).
#include "seccomp/profiles.h"

#define EMBED(symbol, file)                                                                                            \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".global " #symbol "\n"                                                                                    \
            ".type " #symbol ", %object\n" #symbol ":\n"                                                               \
            ".incbin \"" file "\"\n"                                                                                   \
            ".byte 0\n"                                                                                                \
            ".size " #symbol ", . - " #symbol "\n"                                                                     \
            ".popsection\n")

EMBED(seccomp_hardened_json, "seccomp/hardened.json");
EMBED(seccomp_nested_json, "seccomp/nested.json");
