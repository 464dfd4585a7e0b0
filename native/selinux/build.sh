#!/bin/bash
# build.sh FILE: compiles the policy into FILE, as the kernel loads it (secilc, of the Debian package of that name).
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The 1,024 categories and their order, which the language wants one by one.
{
    printf '(category c%d)\n' {0..1023}
    printf '(categoryorder ('
    printf 'c%d ' {0..1023}
    printf '))\n'
} >"$work/categories.cil"

# 33: the newest version of the format that all supported kernels read (Linux 5.12 on).
secilc --mls true --policyvers 33 --output "$1" --filecontext /dev/null \
    "$here/base.cil" "$here/containers.cil" "$work/categories.cil"
