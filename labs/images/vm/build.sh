# The vm image: Debian's kernel for virtual machines, an initramfs with bulkheadd as init, and the base image's user land
# as a disk. The slow part (kernel, disk, modules) depends on the base image and on this folder only; a new bulkheadd, or
# another SELinux policy (native/selinux; only a VM that is asked to loads it), costs a new initramfs and no more.

policy=$here/../../native/selinux

ensure_vm() {
    local out=$1 programs=$2 system digest program
    [[ -e $out/base/image.json ]] || fail "vm: it needs the base image, which is not in $out: leave --only out"
    for program in bulkhead bulkheadd bulkhead-monitor; do
        [[ -x $programs/$program ]] || fail "vm: no $program in $programs: run make -C native, or set --programs"
    done
    system=$({ digest_of "$here/vm" "$here/debian.sh" && image_value "$out/base" digest; } | sha256sum | cut -d ' ' -f 1)
    digest=$({ echo "$system" && digest_of "$policy" && sha256sum "$programs"/{bulkhead,bulkheadd,bulkhead-monitor} | cut -d ' ' -f 1; } | sha256sum | cut -d ' ' -f 1)
    if [[ $(image_value "$out/vm" digest) == "$digest" ]]; then
        say "vm: up to date"
        return
    fi
    check_host "$out"
    begin_build "$out"
    mkdir "$building/vm"
    if [[ $(image_value "$out/vm" system) == "$system" ]]; then
        ln "$out"/vm/{vmlinux,disk.img,modules.cpio} "$building/vm"
        release=$(image_value "$out/vm" release)
    else
        build_system "$out" "$building/vm"
    fi
    step "vm: packing the initramfs" build_initrd "$building/vm" "$programs" "$out/base/image.json"
    write_vm_json >"$building/vm/image.json"
    install_image "$out" vm "$building/vm"
    end_build
    say "vm: $(du -sm "$out/vm" | cut -f 1) MB in $out/vm, Linux $release"
}

# Makes vmlinux, disk.img and modules.cpio in a directory, and sets $release to the kernel's.
build_system() {
    local out=$1 target=$2 kernel=$building/kernel disk=$building/disk
    step_watch=$kernel step "vm: 1/3 fetching Debian's kernel" \
        debootstrap extract "linux-image-cloud-$(dpkg --print-architecture)" "$kernel"
    unpack_kernel "$kernel"/boot/vmlinuz-* "$target/vmlinux"
    release=$(basename "$kernel"/usr/lib/modules/*)

    step_watch=$disk step "vm: 2/3 laying out the disk: the base image and the kernel's modules" lay_out_disk "$out" "$kernel" "$disk"
    step_watch=$target step "vm: 3/3 packing the disk" pack_disk "$disk" "$target"
    rm -rf "$kernel" "$disk"
}

# unpack_kernel BZIMAGE TARGET: the ELF file inside, which QEMU starts by the PVH protocol. Started as it is packed, the
# kernel would unpack itself in the guest, and under emulation that is a third of the boot (1.2 s of 3.6).
unpack_kernel() {
    local packed=$1 target=$2 sectors offset length
    # Linux, Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length.
    sectors=$(od -An -tu1 -j 0x1f1 -N 1 "$packed")
    offset=$(od -An -tu4 -j 0x248 -N 4 "$packed")
    length=$(od -An -tu4 -j 0x24c -N 4 "$packed")
    # The payload's last four bytes are its unpacked size, which is not zstd's to read.
    dd if="$packed" bs=1M iflag=skip_bytes,count_bytes skip=$(((sectors + 1) * 512 + offset)) count=$((length - 4)) status=none |
        zstd --quiet --decompress -o "$target" ||
        fail "cannot unpack the kernel $(basename "$packed"): it is not packed with zstd, as Debian 13's is"
}

lay_out_disk() {
    local out=$1 kernel=$2 disk=$3
    # Not what may still be mounted in it: /proc is without end.
    cp --archive --one-file-system --reflink=auto "$out/base/rootfs" "$disk"
    mv "$kernel/usr/lib/modules" "$disk/usr/lib/modules"
    chroot "$disk" /usr/sbin/depmod "$release"
}

# erofs with lz4: it is idmapped where a container in the VM stands on it, and an emulated CPU unpacks it several times as
# fast as squashfs with zstd, for some more megabytes.
pack_disk() {
    local disk=$1 target=$2
    mkfs.erofs --quiet -zlz4hc "$target/disk.img" "$disk"
    collect_modules "$disk" "$here/vm/modules" "$building/modules"
    pack_cpio "$building/modules" >"$target/modules.cpio"
}

# collect_modules DISK LIST DIR: the modules of the list and what they depend on, unpacked (init loads them with one system
# call each), and their order.
collect_modules() {
    local disk=$1 list=$2 target=$3 verb path options name
    mkdir -p "$target/modules"
    for name in $(sed 's/#.*//' "$list"); do
        chroot "$disk" /usr/sbin/modprobe --set-version "$release" --show-depends "$name" ||
            fail "Linux $release has no module $name, which $list asks for"
    done | while read -r verb path options; do
        name=$(basename "${path%%.ko*}").ko
        [[ $verb == insmod && ! -e $target/modules/$name ]] || continue
        if [[ $path == *.xz ]]; then
            xz --decompress --stdout "$disk/$path" >"$target/modules/$name"
        else
            cp "$disk/$path" "$target/modules/$name"
        fi
        echo "$name" >>"$target/modules/order"
    done
}

# Two archives, one after the other, are one initramfs. Not compressed: unpacking would cost an emulated CPU more than
# reading does.
build_initrd() {
    local target=$1 programs=$2 base=$3 root=$building/initrd
    lay_out_initrd "$root" "$programs" "$base"
    { cat "$target/modules.cpio" && pack_cpio "$root"; } >"$target/initrd.img"
}

# lay_out_initrd DIR PROGRAMS IMAGE: what is in an initramfs besides modules; IMAGE is the image.json of the user land.
lay_out_initrd() {
    local root=$1 programs=$2 base=$3
    mkdir -p "$root"/{bin,proc,sys,dev,root,images/base/rootfs,selinux/policy}
    strip -o "$root/bin/bulkheadd" "$programs/bulkheadd"
    strip -o "$root/bin/bulkhead" "$programs/bulkhead"
    strip -o "$root/bin/bulkhead-monitor" "$programs/bulkhead-monitor"
    cp "$base" "$root/images/base/image.json" # in the guest too the disk is known as the image `base`
    # For a kernel that runs with SELinux; as the source too, for those who want to know what is forbidden them.
    "$policy/build.sh" "$root/selinux/policy/policy.33"
    cp "$policy"/*.cil "$root/selinux"
}

pack_cpio() {
    (cd "$1" && find . -mindepth 1 | sort | cpio --quiet --create --format=newc --owner=0:0)
}

write_vm_json() {
    cat <<END
{
  "name": "vm",
  "kind": "vm",
  "digest": "$digest",
  "system": "$system",
  "release": "$release",
  "built": "$(date --utc +%FT%TZ)"
}
END
}
