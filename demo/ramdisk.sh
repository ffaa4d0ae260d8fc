#!/usr/bin/env bash
# Makes a small image that UEFI boots from memory: demo/ramdisk.sh OUT.iso
#
# Firmware fetches it whole by HTTP and starts the GRUB on it, which reads what to say from the image and switches the
# machine off.
set -euo pipefail
. "$(dirname "$0")/common.sh"
[[ $# == 1 ]] || die "usage: demo/ramdisk.sh OUT.iso"
mkimage=$(file_of /usr/bin/grub-mkimage)
modules=$(dirname "$(file_of /usr/lib/grub/x86_64-efi/http.mod)")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"

cat >"$work/grub.cfg" <<'CFG'
search --no-floppy --set=root --file /said.txt
cat /said.txt
sleep 1
halt
CFG
"$mkimage" -O x86_64-efi -d "$modules" -p /EFI/BOOT -c "$work/grub.cfg" -o "$work/BOOTX64.EFI" \
    search search_fs_file cat sleep halt iso9660 fat part_gpt part_msdos
# The EFI system partition, as El Torito has it (UEFI 2.10 §13.3.2.1).
truncate -s 4M "$work/tree/efi.img"
mkfs.vfat "$work/tree/efi.img" >/dev/null
mmd -i "$work/tree/efi.img" ::EFI ::EFI/BOOT
mcopy -i "$work/tree/efi.img" "$work/BOOTX64.EFI" ::EFI/BOOT/
printf 'pxego-lab: %s\n' "read from the image in memory" "install ok" >"$work/tree/said.txt"
xorriso -as mkisofs -quiet -o "$1" -V RAMDISK -R -e efi.img -no-emul-boot "$work/tree" >"$work/log" 2>&1 ||
    die "xorriso: $(cat "$work/log")"
