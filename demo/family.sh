#!/usr/bin/env bash
# Makes a small image of another family than Enterprise Linux: demo/family.sh LAYOUT [OUT.iso]
#
# LAYOUT is suse, arch, debian-live, clonezilla, alpine, coreos, ubuntu; ubuntu-signed, whose kernel and loaders are Ubuntu's;
# debian-installer, whose kernel and ramdisk are the
# real ones of Debian's package; unknown, of which nothing is known but its isolinux.cfg; memtest, ipxe and grub-rescue,
# which come inside packages as they are. Kernels and loaders are real ones, of this computer's distribution; the ramdisk
# imitates where the family's own looks first. Without OUT.iso the image is kept below target/ and made anew only when this
# recipe or a package of its parts has changed. Prints its path.
set -euo pipefail
. "$(dirname "$0")/common.sh"
here=$(cd "$(dirname "$0")" && pwd)
layouts="suse|arch|debian-live|clonezilla|alpine|coreos|ubuntu|ubuntu-signed|debian-installer|unknown|memtest|ipxe|grub-rescue"
layout=${1-}
[[ $layout =~ ^($layouts)$ ]] || die "usage: demo/family.sh $layouts [OUT.iso]"

case $layout in
    memtest) as_it_is=$(file_of /usr/lib/memtest86+/memtest86+x64.iso) ;;
    ipxe) as_it_is=$(file_of /usr/lib/ipxe/ipxe.iso) ;;
    grub-rescue) as_it_is=$(file_of /usr/lib/grub-rescue/grub-rescue-cdrom.iso) ;;
esac
if [[ -n ${as_it_is-} ]]; then
    [[ -z ${2-} ]] || cp "$as_it_is" "$2"
    echo "${2:-$as_it_is}"
    exit
fi

. "$here/recipe.sh"
shim=$(file_of /usr/lib/shim/shimx64.efi.signed.latest /usr/lib/shim/shimx64.efi.signed)
grubs=$(dirname "$(file_of /usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed)")
parts=("$shim" "$grubs"/*)
if [[ $layout == debian-installer ]]; then
    installer=$(dirname "$(file_of '/usr/lib/debian-installer/images/*/amd64/text/debian-installer/amd64/linux')")
    parts+=("$installer/initrd.gz")
fi
if [[ $layout == ubuntu-signed ]]; then
    [[ -e $vendor_dir/complete ]] || die "Ubuntu's packages are not there; demo/setup.sh test fetches them"
    parts+=("$vendor_dir"/*.deb)
fi
begin "$layout" "${2-}" "${parts[@]}"

# guest KERNEL INITRD: the lab's kernel and ramdisk under these names.
guest() {
    "$here/guest.sh" "$layout" "$work/guest"
    install -D -m 644 "$work/guest/vmlinuz" "$tree/$1"
    install -D -m 644 "$work/guest/initrd.img" "$tree/$2"
}

# root FILE: the system.
root() { random "$1" 4; }

# efi [GRUB]: shim and GRUB, the one for the network unless another of its package is named.
efi() {
    mkdir -p "$tree/EFI/BOOT"
    cp "$shim" "$tree/EFI/BOOT/bootx64.efi"
    cp "$grubs/${1:-grubnet}x64.efi.signed" "$tree/EFI/BOOT/grubx64.efi"
}

maker=(xorriso -as mkisofs) boot=()
case $layout in
    suse) # osinfo-db opensuse-15.6
        volume=openSUSE-Leap-15.6-DVD-x86_64
        guest boot/x86_64/loader/linux boot/x86_64/loader/initrd
        root boot/x86_64/root
        isolinux boot/x86_64/loader
        efi
        text media.1/products <<<"/ openSUSE-Leap 15.6-1"
        text media.1/media <<<"openSUSE - openSUSE-Leap-15.6-x86_64-Build710.3-Media"
        text repodata/repomd.xml <<<"<repomd/>"
        text boot/x86_64/loader/isolinux.cfg <<CFG
default harddisk
label harddisk
  localboot -2
label linux
  kernel linux
  append initrd=initrd splash=silent showopts $marker
CFG
        text EFI/BOOT/grub.cfg <<CFG
menuentry 'Installation' { linux /boot/x86_64/loader/linux splash=silent $marker
  initrd /boot/x86_64/loader/initrd
}
CFG
        ;;
    arch) # archlinux/archiso configs/releng
        volume=ARCH_202608
        guest arch/boot/x86_64/vmlinuz-linux arch/boot/x86_64/initramfs-linux.img
        root arch/x86_64/airootfs.sfs
        isolinux boot/syslinux
        cp "$(dirname "$pxelinux")/lpxelinux.0" "$tree/boot/syslinux/"
        text arch/version <<<2026.08.01
        text boot/syslinux/syslinux.cfg <<CFG
DEFAULT arch
LABEL arch
MENU LABEL Arch Linux install medium (x86_64, BIOS)
LINUX /arch/boot/x86_64/vmlinuz-linux
INITRD /arch/boot/x86_64/initramfs-linux.img
APPEND archisobasedir=arch archisosearchuuid=2026-08-01-00-00-00-00 $marker
CFG
        text loader/loader.conf <<<"timeout 15"
        text loader/entries/01-archiso-x86_64-linux.conf <<CFG
title Arch Linux install medium (x86_64, UEFI)
linux /arch/boot/x86_64/vmlinuz-linux
initrd /arch/boot/x86_64/initramfs-linux.img
options archisobasedir=arch archisosearchuuid=2026-08-01-00-00-00-00 $marker
CFG
        ;;
    debian-live) # debian-live, by genisoimage
        volume="d-live 12.5.0 st amd64" maker=(genisoimage)
        guest live/vmlinuz-6.1.0-18-amd64 live/initrd.img-6.1.0-18-amd64
        root live/filesystem.squashfs
        isolinux isolinux
        text .disk/info <<<"Official Debian GNU/Linux Live 12.5.0 standard 2024-02-10T12:40"
        text isolinux/isolinux.cfg <<CFG
include live.cfg
default live-amd64
CFG
        text isolinux/live.cfg <<CFG
label live-amd64
  linux /live/vmlinuz-6.1.0-18-amd64
  initrd /live/initrd.img-6.1.0-18-amd64
  append boot=live components quiet splash findiso= $marker
CFG
        ;;
    clonezilla) # stevenshiau/clonezilla ocs-live-dev; its GRUB is one for discs
        volume=3.1.2-22-amd64
        guest live/vmlinuz live/initrd.img
        root live/filesystem.squashfs
        isolinux syslinux
        efi gcd
        text Clonezilla-Live-Version <<<"clonezilla-live-3.1.2-22-amd64"
        cp "$tree/Clonezilla-Live-Version" "$tree/live/"
        cp "$(file_of /usr/lib/memtest86+/memtest86+x64.bin /boot/memtest86+x64.bin)" "$tree/live/memtest"
        text syslinux/isolinux.cfg <<CFG
default vesamenu.c32
timeout 300
label Clonezilla live
  MENU DEFAULT
  MENU LABEL Clonezilla live (VGA 800x600)
  kernel /live/vmlinuz
  append initrd=/live/initrd.img boot=live union=overlay username=user config components quiet $marker
label memtest
  MENU LABEL ^Memory test using Memtest86+
  kernel /live/memtest
label local
  MENU LABEL Local operating system in harddrive (if available)
  localboot 0x80
CFG
        ;;
    alpine) # alpinelinux/aports scripts/mkimg.base.sh
        volume="alpine-std 3.22.0 x86_64"
        guest boot/vmlinuz-lts boot/initramfs-lts
        root boot/modloop-lts
        isolinux boot/syslinux
        text .alpine-release <<<"alpine-standard 3.22.0 250530"
        text apks/.boot_repository </dev/null
        (cd "$work" && : >APKINDEX && tar -czf APKINDEX.tar.gz APKINDEX)
        install -D -m 644 "$work/APKINDEX.tar.gz" "$tree/apks/x86_64/APKINDEX.tar.gz"
        text boot/syslinux/syslinux.cfg <<CFG
TIMEOUT 10
PROMPT 1
DEFAULT lts
LABEL lts
MENU LABEL Linux lts
KERNEL /boot/vmlinuz-lts
INITRD /boot/initramfs-lts
APPEND modules=loop,squashfs,sd-mod,usb-storage quiet $marker
CFG
        ;;
    coreos) # coreos/coreos-assembler
        volume=fedora-coreos-40.20240504.3.0
        guest images/pxeboot/vmlinuz images/pxeboot/initrd.img
        root images/pxeboot/rootfs.img
        isolinux isolinux
        text isolinux/isolinux.cfg <<CFG
default linux
label linux
  kernel /images/pxeboot/vmlinuz
  append initrd=/images/pxeboot/initrd.img,/images/ignition.img coreos.liveiso=$volume $marker
CFG
        ;;
    ubuntu*) # canonical/subiquity; its GRUB is no network one. The whole image goes over the cable, so it has no mark
        volume="Ubuntu-Server 24.04.2 LTS amd64"
        guest casper/vmlinuz casper/initrd
        if [[ $layout == ubuntu-signed ]]; then
            pool=$tree/pool/main
            mkdir -p "$pool"/{s/shim-signed,g/grub2-signed}
            cp "$vendor_dir"/shim-signed_*.deb "$pool/s/shim-signed/"
            cp "$vendor_dir"/grub-efi-amd64-signed_*.deb "$pool/g/grub2-signed/"
            dpkg-deb --fsys-tarfile "$vendor_dir"/linux-image-*.deb |
                tar -xO --wildcards './boot/vmlinuz-*' >"$tree/casper/vmlinuz"
            # Older than others' kernels: then the loaders that all get are those others'.
            touch -d 2001-01-01 "$tree/casper/vmlinuz"
        fi
        root casper/ubuntu-server-minimal.squashfs
        text .disk/info <<<'Ubuntu-Server 24.04.2 LTS "Noble Numbat" - Release amd64 (20250215)'
        text casper/install-sources.yaml <<<"- id: ubuntu-server"
        text boot/grub/grub.cfg <<CFG
set timeout=30
menuentry "Try or Install Ubuntu Server" {
	set gfxpayload=keep
	linux	/casper/vmlinuz ---
	initrd	/casper/initrd
}
CFG
        ;;
    debian-installer) # debian-installer build/, its mini.iso
        volume=ISOIMAGE
        cp "$installer/linux" "$installer/initrd.gz" "$tree/"
        cp "$installer"/boot-screens/*.{cfg,txt} "$tree/"
        sed -i 's,debian-installer/amd64/boot-screens/,,; s,debian-installer/amd64/,,' "$tree"/*.cfg
        mv "$tree/syslinux.cfg" "$tree/isolinux.cfg"
        cp "$isolinux" "$modules"/{ldlinux,vesamenu,libcom32,libutil}.c32 "$tree/"
        boot=(-b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table)
        ;;
    unknown)
        volume=$'WORKSHOP "TOOLS"'
        guest system/kernel system/ramdisk
        root system/filesystem.squashfs
        isolinux isolinux
        text isolinux/isolinux.cfg <<CFG
default menu.c32
timeout 100
menu title Workshop tools
label tools
  menu label ^Tools
  menu default
  kernel /system/kernel
  append initrd=/system/ramdisk boot=live live-media-path=/system findiso=/none.iso
label other
  kernel /system/gone
CFG
        ;;
esac

finish "$volume" "${maker[@]}" -J -joliet-long -R "${boot[@]}"
