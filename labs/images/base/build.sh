# The base image: Debian with what the labs use, no kernel, no documentation.

ensure_base() {
    local out=$1 digest
    digest=$(digest_of "$here/base" "$here/debian.sh")
    if [[ $(image_value "$out/base" digest) == "$digest" ]]; then
        say "base: up to date"
        return
    fi
    check_host "$out"
    begin_build "$out"
    build_base "$building/base" "$digest"
    install_image "$out" base "$building/base"
    end_build
    say "base: $(du -sm "$out/base" | cut -f 1) MB in $out/base"
}

build_base() {
    local target=$1 digest=$2 rootfs=$1/rootfs options=() path
    mkdir -p "$rootfs"
    while read -r path; do
        options+=(--dpkgopt="path-exclude=$path")
    done < <(grep '^/' "$here/base/excluded")
    options+=(--dpkgopt='path-include=/usr/share/doc/*/copyright')
    step_watch=$rootfs step "base: 1/2 fetching and unpacking Debian ($debian_release) from $(debian_mirror)" \
        debootstrap essential "$(read_list "$here/base/packages")" "$rootfs" "${options[@]}"
    step "base: 2/2 adding Bulkhead's own files" finish_rootfs "$rootfs"
    write_base_json "$rootfs" "$digest" >"$target/image.json"
}

# What mmdebstrap copied from this machine goes (its mirror, name servers and host name), and what only an installer
# needs; then the overlay is laid on top, as root's whoever cloned the repository.
finish_rootfs() {
    local rootfs=$1
    rm -rf "$rootfs"/etc/apt/{apt.conf.d/99mmdebstrap,sources.list} "$rootfs/etc/dpkg/dpkg.cfg.d/99mmdebstrap" \
        "$rootfs"/etc/{resolv.conf,hostname} "$rootfs"/var/cache/{apt,debconf,ldconfig}/* \
        "$rootfs"/var/log/{apt,*.log}
    (cd "$here/base/overlay" && tar --create --owner=0 --group=0 --mode='u=rwX,go=rX' .) |
        tar --extract --directory="$rootfs" --preserve-permissions --no-overwrite-dir
    # An empty machine-id means "first boot": nothing in here may be the same on every machine.
    : >"$rootfs/etc/machine-id"
}

write_base_json() {
    printf '{\n  "name": "base",\n  "kind": "container",\n  "digest": "%s",\n  "built": "%s",\n  "packages": {\n' \
        "$2" "$(date --utc +%FT%TZ)"
    dpkg-query --root="$1" --show --showformat='    "${Package}": "${Version}",\n' | sed '$ s/,$//'
    printf '  }\n}\n'
}
