#!/usr/bin/env bash
# Makes a small install image from distribution packages: demo/image.sh LAYOUT [OUT.iso]
#
# LAYOUT is el5 to el10; fedora and fedora-netinst, which has no packages; el9-http, whose GRUB speaks HTTP as Red Hat's does (Debian's signed one does not); el9-signed, with a
# signed GRUB of 2.12 or later, which speaks HTTP and knows proxyDHCP; el9-bare, which has no loader that boots from the
# network; el9-arm64, the same as el9-http for 64-bit Arm, which installs nothing; or one of another family: see
# demo/family.sh. It is laid out like CentOS's DVD of that release; shim, GRUB, PXELINUX and the kernel are real ones, of this
# computer's distribution. Without OUT.iso the image is kept below target/ and made anew only when this recipe or a package of
# its parts has changed. Prints its path.
set -euo pipefail
. "$(dirname "$0")/common.sh"
here=$(cd "$(dirname "$0")" && pwd)

[[ ${1-} =~ ^(el|fedora|$) ]] || exec "$here/family.sh" "$@"
case ${1-} in
    el5)
        # Before EFI: isolinux/ alone.
        volume=CentOS_5.11_Final product=CentOS version=5.11 variants=() main_image=images/stage2.img
        release=centos-release-5-11.el5.centos.x86_64
        loader=syslinux-3.11-7.x86_64 payload=w9.gzdio place=usr/lib/syslinux packages=CentOS
        ;;
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
    fedora | fedora-netinst)
        # Both have one volume id. The installer alone says nothing of itself but in .discinfo.
        volume=Fedora-S-dvd-x86_64-40 product=Fedora version=40 variants=(Server) main_image=images/install.img
        release=fedora-release-common-40-39.noarch
        loader=none payload=w19.zstdio place=tftpboot packages=Packages
        ;;
    *) die "usage: demo/image.sh el5|el6|el7|el8|el9|el9-http|el9-signed|el9-bare|el9-arm64|el10|fedora|fedora-netinst|LAYOUT OF demo/family.sh [OUT.iso]" ;;
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
    *-http | el10 | fedora*)
        grub_target=x86_64-efi
        mkimage=$(file_of /usr/bin/grub-mkimage)
        grub=$(file_of /usr/lib/grub/x86_64-efi/http.mod)
        ;;
    *-signed) grub=$(unpacked=$unpacked_signed file_of /usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed) ;;
    *) grub=$(file_of /usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed) ;;
esac
# no_efi FILE: a kernel of before Linux 3.3 was no EFI program. It began with a jump, of which a boot loader takes no notice.
no_efi() { printf '\xea\x05\x00\xc0\x07' | dd of="$1" conv=notrunc status=none; }

. "$here/recipe.sh"
loaders=$unpacked
[[ $layout != *-signed ]] || loaders=$unpacked_signed
shim=$(unpacked=$loaders file_of "/usr/lib/shim/shim$efi.efi.signed.latest" "/usr/lib/shim/shim$efi.efi.signed")
mok_manager=$(unpacked=$loaders file_of "/usr/lib/shim/mm$efi.efi.signed" "/usr/lib/shim/mm$efi.efi")
begin "$layout" "${2-}" "$shim" "$mok_manager" "$grub"
mkdir -p "$tree/images/pxeboot"

# Kernel, ramdisk, stage 2: the last is only fetched and checked, so it need not be a file system.
if [[ $arch == x86_64 ]]; then
    "$here/guest.sh" "${layout%%-*}" "$tree/images/pxeboot"
    [[ $layout != el[56] ]] || no_efi "$tree/images/pxeboot/vmlinuz"
else
    # The kernel boots, and has nothing to run.
    cp "$kernel" "$tree/images/pxeboot/vmlinuz"
    mkdir "$work/empty"
    (cd "$work/empty" && find . | cpio --quiet -o -H newc) | gzip -9n >"$tree/images/pxeboot/initrd.img"
fi
random "$main_image" 16

# How a machine finds the rest that boots from the medium itself.
media="inst.stage2=hd:LABEL=${volume// /\\x20} $marker quiet"

# Loaders, and configurations that only a machine that boots from the medium itself may read.
if [[ -n ${grub_target-} ]]; then
    # The modules of Red Hat's that a network boot takes, and its prefix (grub2.macros).
    echo "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md" >"$work/sbat.csv"
    "$mkimage" -O "$grub_target" -d "$(dirname "$grub")" -p /EFI/BOOT --sbat "$work/sbat.csv" \
        -o "$work/grub.efi" efinet http tftp net linux normal configfile echo test regexp minicmd sleep search \
        search_label iso9660 fat part_gpt part_msdos gfxterm all_video
    grub=$work/grub.efi
fi
# Before EL7 there was no GRUB 2, which is what EL6 is known by. From EL10 and Fedora 37 on there is no ISOLINUX.
[[ $layout == el[56] ]] || mkdir -p "$tree/EFI/BOOT"
if [[ $layout != *-bare && -d $tree/EFI ]]; then
    cp "$shim" "$tree/EFI/BOOT/BOOT${efi^^}.EFI"
    cp "$grub" "$tree/EFI/BOOT/grub$efi.efi"
    cp "$mok_manager" "$tree/EFI/BOOT/mm$efi.efi"
fi
[[ ! -d $tree/EFI ]] || cat >"$tree/EFI/BOOT/grub.cfg" <<CFG
set timeout=60
search --no-floppy --set=root -l '$volume'
menuentry 'Install from the medium' {
    linux /images/pxeboot/vmlinuz $media
    initrd /images/pxeboot/initrd.img
}
CFG
if [[ $layout != el10 && $layout != fedora* ]]; then
    isolinux isolinux
    cp "$tree"/images/pxeboot/{vmlinuz,initrd.img} "$tree/isolinux/"
    printf 'Press Enter to install %s %s.\n' "$product" "$version" >"$tree/isolinux/boot.msg"
fi
case $layout in
    el5) # as anaconda's rhel5-branch makes it: a prompt, and screens behind keys
        cp "$(file_of /boot/memtest86+x64.bin)" "$tree/isolinux/memtest"
        no_efi "$tree/isolinux/memtest"
        echo "To pass options to the installer, type linux OPTIONS." >"$tree/isolinux/options.msg"
        head -c 4096 /dev/urandom >"$tree/images/minstg2.img"
        text isolinux/isolinux.cfg <<CFG
default linux
prompt 1
timeout 600
display boot.msg
F1 boot.msg
F2 options.msg
label linux
  kernel vmlinuz
  append initrd=initrd.img $marker
label text
  kernel vmlinuz
  append initrd=initrd.img text $marker
label ks
  kernel vmlinuz
  append ks initrd=initrd.img
label local
  localboot 1
label memtest86
  kernel memtest
  append -
CFG
        ;;
    el10 | fedora*) ;;
    *)
        text isolinux/isolinux.cfg <<CFG
default vesamenu.c32
timeout 600
display boot.msg
F1 boot.msg
menu title $product $version
label linux
  menu label ^Install from the medium
  kernel vmlinuz
  append initrd=initrd.img $media
label vesa
  menu label Install with ^basic video driver
  kernel vmlinuz
  append initrd=initrd.img nomodeset
label local
  menu label Boot from ^local drive
  localboot 0xffff
CFG
        ;;
esac

# The image of the tree, in the way of its release.
write() {
    printf '1636882174.123456\n%s\n%s\nALL\n' "${version%%.*}" "$arch" >"$tree/.discinfo"
    case $layout in
        el[56]) finish "$volume" genisoimage -J -joliet-long -R "${boot[@]}" ;;
        el10 | fedora*)
            # Its EFI system partition is not a file of the tree (lorax rhel10 x86.tmpl).
            truncate -s 16M "$work/efi.img"
            mformat -i "$work/efi.img" ::
            mcopy -s -i "$work/efi.img" "$tree/EFI" ::
            finish "$volume" xorriso -as mkisofs -R -iso-level 3 -append_partition 2 0xef "$work/efi.img" \
                -eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot
            ;;
        *) finish "$volume" xorriso -as mkisofs -J -joliet-long -R "${boot[@]}" ;;
    esac
}
# The installer alone has neither packages nor anything that speaks of them.
if [[ $layout == *-netinst ]]; then
    write
    exit
fi

# Packages: who the image is, the BIOS loader, and some whose names ask for care.
package() { # NAME-VERSION-RELEASE.ARCH DIRECTORY [SIZE]
    rm -rf "$work/files"
    mkdir -p "$work/files/usr/share/lab"
    head -c "${3-4096}" /dev/urandom >"$work/files/usr/share/lab/${1%%-[0-9]*}"
    "$here/package.sh" "$1" "$payload" "$work/files" "$tree/$2"
}
dist=el${version%%.*}
case $layout in
    fedora*) first=Packages second=Packages dist=fc$version ;;
    *) first=${packages/AppStream/BaseOS} second=${packages/BaseOS/AppStream} ;;
esac
# Fedora sorts them by their first letters.
letter() { [[ $layout != fedora* ]] || echo "/${1:0:1}"; }
add() { package "$1" "$2$(letter "$1")" "${@:3}"; }
add "$release" "$first"
version=${version%%.*}
add "setup-2.8.71-11.$dist.noarch" "$first"
add "libstdc++-11.3.1-4.3.$dist.x86_64" "$first" 300000
add "glibc-all-langpacks-2.34-60.$dist.x86_64" "$second" 2000000
add "perl-Module-Install-AutomatedTester-and-more-than-sixty-four-letters-1.0~rc1-1.$dist.noarch" "$second"
rm -rf "$work/files"
mkdir -p "$work/files/$place"
cp "$pxelinux" "$(dirname "$pxelinux")/lpxelinux.0" "$modules"/*.c32 "$work/files/$place/"
[[ $loader == none || $layout == *-bare || $arch != x86_64 ]] || "$here/package.sh" "$loader" "$payload" "$work/files" "$tree/$packages"
# A variant is called as its repository is, but for Fedora's.
repositories=("${variants[@]:-.}")
[[ $layout != fedora* ]] || repositories=(.)
# EL5's yum has no SHA-256.
[[ $layout == el5 ]] && digest=sha || digest=sha256
for repository in "${repositories[@]}"; do
    # gzip: createrepo_c of Debian 13 would take zstd, EL7 cannot read it.
    # shellcheck disable=SC2046 # no word where there is no such option
    createrepo_c --quiet --no-database --checksum=$digest --compress-type=gz --excludes='isolinux/*' \
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
        # EL5 says where they are, EL6 and EL7 do not.
        printf 'variant = \npackagedir = %s\n' "${packages#Packages}"
    else
        list=$(IFS=, && echo "${variants[*]}")
        cat <<INFO
variants = $list
variant = ${variants[-1]}
packagedir = $first
repository = ${repositories[-1]}

[header]
type = productmd.treeinfo
version = 1.2

[release]
name = $product
short = ${product%% *}
version = $version

[tree]
arch = $arch
build_timestamp = 1636882174
platforms = $arch,xen
variants = $list
INFO
        for number in "${!variants[@]}"; do
            variant=${variants[number]} repository=${repositories[number]} packages=${repositories[number]}/Packages
            printf '\n[variant-%s]\nid = %s\nname = %s\ntype = variant\nuid = %s\npackages = %s\nrepository = %s\n' \
                "$variant" "$variant" "$variant" "$variant" "${packages#./}" "$repository"
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
write
