#!/usr/bin/env bash
# Makes the kernel and the initial ramdisk of an image: demo/guest.sh LAYOUT DIRECTORY
#
# The kernel is the distribution's own, signed by it. The ramdisk holds demo/guest/init and drivers for the network
# and for disks.
set -euo pipefail
. "$(dirname "$0")/common.sh"
[[ $# == 2 ]] || die "usage: demo/guest.sh LAYOUT DIRECTORY"
layout=$1 directory=$2 source=$(cd "$(dirname "$0")" && pwd)/guest

kernel=$(file_of '/boot/vmlinuz-*')
version=${kernel##*/vmlinuz-}
root=${kernel%/boot/*}
initrd=$(mktemp -d)
trap 'rm -rf "$initrd"' EXIT

mkdir -p "$directory" "$initrd"/{bin,modules,proc,sys,dev,tmp}
cp "$kernel" "$directory/vmlinuz"
cp "$(command -v busybox)" "$initrd/bin/busybox"
cp "$source/init" "$source/udhcpc" "$initrd/"
chmod 755 "$initrd/init" "$initrd/udhcpc"
echo "release=$layout" >"$initrd/release"

# Those of instructions that the emulated processor does not have are left out.
# Modules, and before each one those that it needs; "builtin" ones are in the kernel.
# Ubuntu's kernel has what it needs built in.
names=(virtio_pci virtio_net e1000 af_packet efivarfs virtio_blk xhci_pci sd_mod usb_storage)
[[ $layout != ubuntu-signed ]] || names=()
: >"$initrd/modules/order"
for name in "${names[@]}"; do
    modprobe -d "${root:-/}" -S "$version" --show-depends "$name"
done | awk '$1 == "insmod" && $2 !~ /pclmul/ && !seen[$2]++ { print $2 }' >"$initrd/modules/files"
while read -r file; do
    name=$(basename "$file")
    case $name in
        *.xz) xz -dc "$file" >"$initrd/modules/${name%.xz}" ;;
        *.zst) zstd -dcq "$file" >"$initrd/modules/${name%.zst}" ;;
        *) cp "$file" "$initrd/modules/" ;;
    esac
    name=${name%.ko*}.ko
    echo "$name" >>"$initrd/modules/order"
done <"$initrd/modules/files"
rm "$initrd/modules/files"
(cd "$initrd" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -9n >"$directory/initrd.img"
