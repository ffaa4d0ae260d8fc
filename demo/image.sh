#!/usr/bin/env bash
# Makes a small install image from distribution packages: demo/image.sh LAYOUT [OUT.iso]
#
# LAYOUT is el6 to el10; el9-http, whose GRUB speaks HTTP as Red Hat's does (Debian's signed one does not); el9-signed, with a
# signed GRUB of 2.12 or later, which speaks HTTP and knows proxyDHCP; el9-bare, which has no loader that boots from the
# network; el9-arm64, the same as el9-http for 64-bit Arm, which installs nothing; or one of another family: see
# demo/family.sh. It is laid out like CentOS's DVD of that release; shim, GRUB, PXELINUX and the kernel are real ones, of this
# computer's distribution. Without OUT.iso the image is kept below target/ and made anew only when this recipe or a package of
# its parts has changed. Prints its path.
set -euo pipefail
. "$(dirname "$0")/common.sh"
here=$(cd "$(dirname "$0")" && pwd)
# Never to be seen by a machine: the configurations of the image itself have it.
marker=LAB=image-configuration

[[ ${1-} == el* || ${1-} == "" ]] || exec "$here/family.sh" "$@"
case ${1-} in
    el6)
        # Its EFI loader was GRUB 0.97, which no distribution has any more.
        volume=CentOS_6.10_Final product=CentOS version=6.10 variants=() main_image=images/install.img
        release=centos-release-6-10.el6.centos.12.3.x86_64
        loader=syslinux-6.04-1.el6.x86_64 payload=w2.xzdio place=usr/share/syslinux packages=Packages
        ;;
    el7)
        volume="CentOS 7 x86_64" product=CentOS version=7 variants=() main_image=LiveOS/squashfs.img
        release=centos-release-7-9.2009.0.el7.centos.x86_64
        loader=syslinux-6.04-1.el7.x86_64 payload=w9.gzdio place=usr/share/syslinux packages=Packages
        ;;
    el8)
        volume=CentOS-8-5-2111-x86_64-dvd product="CentOS Linux" version=8 variants=(AppStream BaseOS)
        main_image=images/install.img release=centos-linux-release-8.5-1.2111.el8.noarch
        loader=syslinux-nonlinux-6.04-5.el8.noarch payload=w2.xzdio place=usr/share/syslinux packages=BaseOS/Packages
        ;;
    el9 | el9-http | el9-bare | el9-arm64 | el9-signed)
        volume=CentOS-Stream-9-BaseOS-x86_64 product="CentOS Stream" version=9 variants=(AppStream BaseOS)
        main_image=images/install.img release=centos-stream-release-9.0-26.el9.noarch
        loader=syslinux-tftpboot-6.04-0.20.el9.noarch payload=w19.zstdio place=tftpboot packages=AppStream/Packages
        ;;
    el10)
        volume=CentOS-Stream-10-BaseOS-x86_64 product="CentOS Stream" version=10 variants=(AppStream BaseOS)
        main_image=images/install.img release=centos-stream-release-10.0-10.el10.noarch
        loader=none payload=w19.zstdio place=tftpboot packages=AppStream/Packages
        ;;
    *) die "usage: demo/image.sh el6|el7|el8|el9|el9-http|el9-signed|el9-bare|el9-arm64|el10|LAYOUT OF demo/family.sh [OUT.iso]" ;;
esac
layout=$1

arch=x86_64 efi=x64
case $layout in
    *-arm64)
        arch=aarch64 efi=aa64 grub_target=arm64-efi
        mkimage=$(file_of /usr/bin/grub-mkimage)
        unpacked=$unpacked_arm64
        grub=$(file_of /usr/lib/grub/arm64-efi/http.mod)
        ;;
    *-http | el10)
        grub_target=x86_64-efi
        mkimage=$(file_of /usr/bin/grub-mkimage)
        grub=$(file_of /usr/lib/grub/x86_64-efi/http.mod)
        ;;
    *-signed) grub=$(unpacked=$unpacked_signed file_of /usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed) ;;
    *) grub=$(file_of /usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed) ;;
esac
kernel=$(file_of '/boot/vmlinuz-*')
loaders=$unpacked
[[ $layout != *-signed ]] || loaders=$unpacked_signed
shim=$(unpacked=$loaders file_of "/usr/lib/shim/shim$efi.efi.signed.latest" "/usr/lib/shim/shim$efi.efi.signed")
mok_manager=$(unpacked=$loaders file_of "/usr/lib/shim/mm$efi.efi.signed" "/usr/lib/shim/mm$efi.efi")
isolinux=$(file_of /usr/lib/ISOLINUX/isolinux.bin)
pxelinux=$(file_of /usr/lib/PXELINUX/pxelinux.0)
modules=$(dirname "$(file_of /usr/lib/syslinux/modules/bios/ldlinux.c32)")

# What goes into an image, as one number.
recipe() {
    local parts=("$kernel" "$shim" "$mok_manager" "$grub" "$isolinux" "$pxelinux" "$(command -v busybox)")
    {
        cat "$here"/{common,guest,image,package}.sh "$here"/guest/*
        stat -L -c '%n %s %Y' "${parts[@]}"
    } | sha256sum | cut -c 1-16
}

out=${2-}
if [[ -z $out ]]; then
    out=$lab_dir/images/$layout-$(recipe).iso
    mkdir -p "$lab_dir/images"
    # Two tests may want it at once.
    exec 9>"$lab_dir/images/$layout.lock"
    flock 9
    if [[ -e $out ]]; then
        echo "$out"
        exit
    fi
    rm -f "$lab_dir/images/$layout"-????????????????.iso
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir -p "$tree"/{images/pxeboot,isolinux,EFI/BOOT,"$(dirname "$main_image")"}

# Kernel, ramdisk, stage 2: the last is only fetched and checked, so it need not be a file system.
if [[ $arch == x86_64 ]]; then
    "$here/guest.sh" "${layout%%-*}" "$tree/images/pxeboot"
else
    # The kernel boots, and has nothing to run.
    cp "$kernel" "$tree/images/pxeboot/vmlinuz"
    mkdir "$work/empty"
    (cd "$work/empty" && find . | cpio --quiet -o -H newc) | gzip -9n >"$tree/images/pxeboot/initrd.img"
fi
{ printf hsqs && head -c $((16 << 20)) /dev/urandom; } >"$tree/$main_image"

# Loaders, and configurations that only a machine that boots from the medium itself may read.
if [[ -n ${grub_target-} ]]; then
    # The modules of Red Hat's that a network boot takes, and its prefix (grub2.macros).
    echo "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md" >"$work/sbat.csv"
    "$mkimage" -O "$grub_target" -d "$(dirname "$grub")" -p /EFI/BOOT --sbat "$work/sbat.csv" \
        -o "$work/grub.efi" efinet http tftp net linux normal configfile echo test regexp minicmd sleep search \
        search_label iso9660 fat part_gpt part_msdos gfxterm all_video
    grub=$work/grub.efi
fi
if [[ $layout != *-bare && $layout != el6 ]]; then
    cp "$shim" "$tree/EFI/BOOT/BOOT${efi^^}.EFI"
    cp "$grub" "$tree/EFI/BOOT/grub$efi.efi"
    cp "$mok_manager" "$tree/EFI/BOOT/mm$efi.efi"
fi
# What EL6 is known by is that it has none.
[[ $layout == el6 ]] || cat >"$tree/EFI/BOOT/grub.cfg" <<CFG
set timeout=60
search --no-floppy --set=root -l '$volume'
menuentry 'Install from the medium' {
    linux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=${volume// /\\x20} $marker quiet
    initrd /images/pxeboot/initrd.img
}
CFG
if [[ $layout == el10 ]]; then
    rmdir "$tree/isolinux"
else
    cp "$isolinux" "$modules/ldlinux.c32" "$modules/vesamenu.c32" "$tree/isolinux/"
    cp "$tree"/images/pxeboot/{vmlinuz,initrd.img} "$tree/isolinux/"
    cat >"$tree/isolinux/isolinux.cfg" <<CFG
default vesamenu.c32
timeout 600
display boot.msg
F1 boot.msg
menu title $product $version
label linux
  menu label ^Install from the medium
  kernel vmlinuz
  append initrd=initrd.img inst.stage2=hd:LABEL=${volume// /\\x20} $marker quiet
label vesa
  menu label Install with ^basic video driver
  kernel vmlinuz
  append initrd=initrd.img nomodeset
label local
  menu label Boot from ^local drive
  localboot 0xffff
CFG
    printf 'Press Enter to install %s %s.\n' "$product" "$version" >"$tree/isolinux/boot.msg"
fi

# Packages: who the image is, the BIOS loader, and some whose names ask for care.
package() { # NAME-VERSION-RELEASE.ARCH DIRECTORY [SIZE]
    rm -rf "$work/files"
    mkdir -p "$work/files/usr/share/lab"
    head -c "${3-4096}" /dev/urandom >"$work/files/usr/share/lab/${1%%-[0-9]*}"
    "$here/package.sh" "$1" "$payload" "$work/files" "$tree/$2"
}
second=${packages/BaseOS/AppStream}
[[ ${#variants[@]} == 0 ]] || mkdir -p "$tree"/{AppStream,BaseOS}/Packages
package "$release" "${packages/AppStream/BaseOS}"
version=${version%%.*}
package "setup-2.8.71-11.el$version.noarch" "${packages/AppStream/BaseOS}"
package "libstdc++-11.3.1-4.3.el$version.x86_64" "${packages/AppStream/BaseOS}" 300000
package "glibc-all-langpacks-2.34-60.el$version.x86_64" "$second" 2000000
package "perl-Module-Install-AutomatedTester-and-more-than-sixty-four-letters-1.0~rc1-1.el$version.noarch" "$second"
rm -rf "$work/files"
mkdir -p "$work/files/$place"
cp "$pxelinux" "$(dirname "$pxelinux")/lpxelinux.0" "$modules"/*.c32 "$work/files/$place/"
[[ $loader == none || $layout == *-bare || $arch != x86_64 ]] || "$here/package.sh" "$loader" "$payload" "$work/files" "$tree/$packages"
for repository in "${variants[@]:-.}"; do
    # gzip: createrepo_c of Debian 13 would take zstd, EL7 cannot read it.
    # shellcheck disable=SC2046 # no word where there is no such option
    createrepo_c --quiet --no-database --compress-type=gz --excludes='isolinux/*' \
        $(createrepo_c --help | grep -q general-compress-type && echo --general-compress-type=gz) \
        "$tree/$repository"
done

# What the tree says about itself.
sum() { sha256sum "$tree/$1" | cut -d ' ' -f 1; }
{
    cat <<INFO
[general]
name = $product-$version
family = $product
timestamp = 1636882174
version = $version
arch = $arch
INFO
    if [[ ${#variants[@]} == 0 ]]; then
        printf 'variant = \npackagedir = \n'
    else
        list=$(IFS=, && echo "${variants[*]}")
        cat <<INFO
variants = $list
variant = BaseOS
packagedir = BaseOS/Packages
repository = BaseOS

[header]
type = productmd.treeinfo
version = 1.2

[release]
name = $product
short = CentOS
version = $version

[tree]
arch = $arch
build_timestamp = 1636882174
platforms = $arch,xen
variants = $list
INFO
        for variant in "${variants[@]}"; do
            printf '\n[variant-%s]\nid = %s\nname = %s\ntype = variant\nuid = %s\npackages = %s/Packages\nrepository = %s\n' \
                "$variant" "$variant" "$variant" "$variant" "$variant" "$variant"
        done
    fi
    cat <<INFO

[stage2]
mainimage = $main_image

[images-$arch]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img

[images-xen]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img

[checksums]
INFO
    for path in images/pxeboot/vmlinuz images/pxeboot/initrd.img "$main_image"; do
        echo "$path = sha256:$(sum "$path")"
    done
} >"$tree/.treeinfo"
printf '1636882174.123456\n%s\n%s\nALL\n' "$version" "$arch" >"$tree/.discinfo"

mkdir -p "$(dirname "$out")"
isolinux=(-b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table)
case $layout in
    el6) maker=(genisoimage) options=(-J -joliet-long -R "${isolinux[@]}") ;;
    el10)
        # Its EFI system partition is not a file of the tree (lorax rhel10 x86.tmpl).
        truncate -s 16M "$work/efi.img"
        mformat -i "$work/efi.img" ::
        mcopy -s -i "$work/efi.img" "$tree/EFI" ::
        maker=(xorriso -as mkisofs) options=(-R -iso-level 3 -append_partition 2 0xef "$work/efi.img"
            -eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot)
        ;;
    *) maker=(xorriso -as mkisofs) options=(-J -joliet-long -R "${isolinux[@]}") ;;
esac
"${maker[@]}" -quiet -o "$out.part" -V "$volume" "${options[@]}" "$tree" >"$work/log" 2>&1 ||
    die "${maker[0]}: $(cat "$work/log")"
mv "$out.part" "$out"
echo "$out"
