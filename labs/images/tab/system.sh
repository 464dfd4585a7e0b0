# What the tab image takes from Debian: kernel, user land and what to compile against, in DIR/tab-system.

# Debian 12 is the last with a kernel for i686. From the release alone, without its security updates: whoever breaks out
# of this kernel is in the reader's own tab.
tab_debian() {
    local debian_release=bookworm debian_security=no
    debootstrap "$@" --architectures=i386 --skip=check/qemu
}

build_tab_system() {
    local out=$1 digest=$2 target=$building/tab-system kernel=$building/kernel rootfs=$building/rootfs options=() path release
    mkdir -p "$target"
    step_watch=$kernel step "tab: 1/4 fetching Debian's kernel for i686" tab_debian extract linux-image-686 "$kernel"
    step_watch=$target step "tab: 2/4 fetching what to compile against" tab_debian extract "$(read_list "$here/tab/sysroot")" "$target/sysroot"
    while read -r path; do
        options+=(--dpkgopt="path-exclude=$path")
    done < <(grep '^/' "$here/base/excluded")
    options+=(--dpkgopt='path-include=/usr/share/doc/*/copyright')
    step_watch=$rootfs step "tab: 3/4 fetching and unpacking Debian 12 for i386" \
        tab_debian essential "$(read_list "$here/tab/packages")" "$rootfs" "${options[@]}"
    release=$(basename "$kernel"/lib/modules/*)
    step "tab: 4/4 packing the disk" pack_tab_disk "$rootfs" "$kernel" "$target"
    mv "$kernel/boot/vmlinuz-$release" "$target/vmlinuz"
    printf '{\n  "name": "tab-system",\n  "digest": "%s",\n  "release": "%s"\n}\n' "$digest" "$release" >"$target/image.json"
    install_image "$out" tab-system "$target"
    rm -rf "$kernel" "$rootfs"
}

# Not compressed by its file system: the pieces are, and to unpack them is then the browser's work and not that of a
# processor in JavaScript.
pack_tab_disk() {
    local rootfs=$1 kernel=$2 target=$3 disk=$building/disk.img
    finish_rootfs "$rootfs"
    sed -i 's/^Debian 13,/Debian 12,/' "$rootfs/etc/motd"
    mv "$kernel/lib/modules" "$rootfs/lib/modules"
    chroot "$rootfs" /usr/sbin/depmod "$release"
    collect_modules "$rootfs" "$here/tab/modules" "$building/modules"
    pack_cpio "$building/modules" >"$target/modules.cpio"
    leave_out_modules "$rootfs"
    "$here/../../node_modules/.bin/node" "$here/tab/components.ts" --rootfs "$rootfs" --sysroot "$target/sysroot" \
        --kernel "$kernel" --release "$release" >"$target/components.json"
    mkfs.erofs --quiet "$disk" "$rootfs"
    mkdir "$target/disk"
    split --bytes=256K --numeric-suffixes --suffix-length=4 --filter='gzip -9 --no-name >"$FILE.bin"' "$disk" "$target/disk/"
    stat --format=%s "$disk" >"$target/disk.bytes"
    rm "$disk"
}

# Of 3,000 modules only those stay on the disk that tab/disk-modules names, with what they depend on.
leave_out_modules() {
    local rootfs=$1 name
    for name in $(sed 's/#.*//' "$here/tab/disk-modules"); do
        chroot "$rootfs" /usr/sbin/modprobe --set-version "$release" --show-depends "$name" ||
            fail "Linux $release has no module $name, which labs/images/tab/disk-modules asks for"
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u >"$building/kept"
    find "$rootfs/lib/modules" -name '*.ko*' -printf "/lib/modules/%P\n" | grep --invert-match --line-regexp --fixed-strings --file="$building/kept" |
        (cd "$rootfs" && sed 's,^/,,' | xargs rm)
    chroot "$rootfs" /usr/sbin/depmod "$release"
}
