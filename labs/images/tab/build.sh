# The tab image: a Linux that a reader's browser can run. Debian's last kernel for i686, an initramfs with bulkheadd
# compiled for it, a user land as a disk in small pieces, and the memory of the machine after it has booted, which is what
# a tab begins from. The slow part (system.sh) is kept in DIR/tab-system; new programs cost a new boot and no more.

source "$here/tab/system.sh"

ensure_tab() {
    local out=$1 root=$here/../.. system digest
    system=$(digest_of "$here/tab"/{system.sh,components.ts,licences.ts,packages,modules,disk-modules,sysroot} "$here/base/overlay" "$here/base/excluded" "$here/debian.sh")
    digest=$({ echo "$system" && digest_of "$here/tab" "$root"/site/src/tab/{emulator,console-port,piece-disk,image,prepared}.ts && native_digest "$root" &&
        sha256sum <"$root/node_modules/v86/build/v86.wasm"; } | sha256sum | cut -d ' ' -f 1)
    if [[ $(image_value "$out/tab" digest) == "$digest" ]]; then
        say "tab: up to date"
        return
    fi
    check_tab_host "$out" "$root"
    begin_build "$out"
    [[ $(image_value "$out/tab-system" digest) == "$system" ]] || build_tab_system "$out" "$system"
    mkdir "$building/tab"
    step "tab: compiling for i686" compile_for_tab "$out" "$root"
    step "tab: packing the initramfs" build_tab_initrd "$out" "$building/initrd.img"
    cp --link --recursive "$out/tab-system/disk" "$building/tab/disk"
    step "tab: booting the machine once and saving its memory" boot_tab "$out" "$root" "$digest"
    install_image "$out" tab "$building/tab"
    end_build
    say "tab: $(du -sm "$out/tab" | cut -f 1) MB in $out/tab, of which $(du -sm "$out/tab/state" | cut -f 1) MB are fetched first"
}

# The sources of the programs, and not the programs: these are compiled only when an image is made.
native_digest() {
    find "$1/native" -path "$1/native/build" -prune -o -path "$1/native/fuzz" -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | cut -d ' ' -f 1
}

check_tab_host() {
    local out=$1 root=$2
    check_host "$out"
    [[ $(dpkg --print-architecture) == amd64 ]] || fail "tab: it is built on amd64, whose kernel runs the programs of i386 as well"
    [[ -x $root/node_modules/.bin/node ]] || fail "tab: no Node in $root/node_modules: run npm ci there"
    [[ -e /usr/share/seabios/vgabios-stdvga.bin ]] || fail "tab: needed to boot it: run apt-get install seabios"
}

compile_for_tab() {
    make -C "$2/native" -j2 I686="$1/tab-system/sysroot" BUILD="$building/i686" all
}

build_tab_initrd() {
    local out=$1 target=$2 root=$building/initrd
    mkdir -p "$building/image"
    printf '{\n  "name": "base",\n  "kind": "container",\n  "digest": "%s"\n}\n' "$(image_value "$out/tab-system" digest)" >"$building/image/image.json"
    lay_out_initrd "$root" "$building/i686" "$building/image/image.json"
    { cat "$out/tab-system/modules.cpio" && pack_cpio "$root"; } >"$target"
}

boot_tab() {
    local out=$1 root=$2 digest=$3
    "$root/node_modules/.bin/node" "$here/tab/boot.ts" --system "$out/tab-system" --initrd "$building/initrd.img" --digest "$digest" --out "$building/tab"
}
