#!/bin/sh
# Makes seeds/{loaders,partition,recognise}/*, of other seeds where those are needed. Needs perl.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$here/loaders" "$here/partition" "$here/recognise"

# A volume id, then files, each behind a line `--` and its path: NAME VOLUME-ID [PATH=TEXT | PATH@FILE ...]
tree() {
    to=$here/$1
    printf %s "$2" >"$to"
    shift 2
    for file; do
        case $file in
        *@*) printf '\n--\n%s\n' "${file%%@*}" >>"$to" && cat "$here/${file#*@}" >>"$to" ;;
        *) printf '\n--\n%s\n%b' "${file%%=*}" "${file#*=}" >>"$to" ;;
        esac
    done
}

tree recognise/el9 'Rocky-9-6-x86_64-dvd' .treeinfo@treeinfo/el9 .discinfo@treeinfo/discinfo \
    images/pxeboot/vmlinuz=k images/pxeboot/initrd.img=i images/install.img=s images/efiboot.img=e \
    BaseOS/repodata/repomd.xml= BaseOS/Packages/r/rocky-release-9.6-1.3.el9.noarch.rpm= AppStream/repodata/repomd.xml= \
    'isolinux/isolinux.cfg=default linux\nlabel linux\n menu label ^Install\n kernel vmlinuz\n append initrd=initrd.img quiet\nlabel check\n kernel vmlinuz\n append initrd=initrd.img rd.live.check nomodeset\n' \
    isolinux/vmlinuz=k isolinux/initrd.img=i \
    'EFI/BOOT/grub.cfg=menuentry "x" {\n linuxefi /images/pxeboot/vmlinuz\n initrdefi /images/pxeboot/initrd.img\n}\n'
tree recognise/el6 'CentOS_6.10_Final' .treeinfo@treeinfo/el7 .discinfo@treeinfo/discinfo images/pxeboot/vmlinuz=k \
    images/pxeboot/initrd.img=i images/install.img=s repodata/repomd.xml= \
    Packages/centos-release-6-10.el6.centos.12.3.x86_64.rpm=
tree recognise/el5 'CentOS' .discinfo='1\nFinal\nx86_64\n' images/pxeboot/vmlinuz=k images/pxeboot/initrd.img=i \
    images/stage2.img=s images/minstg2.img=m CentOS/centos-release-5-11.el5.centos.x86_64.rpm= repodata/repomd.xml=
tree recognise/debian 'Debian 12.5.0 amd64 n' '.disk/info=Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST\n' \
    install.amd/vmlinuz=k install.amd/initrd.gz=i dists/bookworm/Release= \
    'isolinux/isolinux.cfg=default install\nlabel install\n kernel /install.amd/vmlinuz\n append initrd=/install.amd/initrd.gz --- quiet\n'
tree recognise/ubuntu 'Ubuntu-Server 24.04 LTS amd64' '.disk/info=Ubuntu-Server 24.04 LTS "Noble" - Release amd64\n' \
    casper/vmlinuz=k casper/initrd=i casper/filesystem.squashfs=s \
    'boot/grub/grub.cfg=set timeout=30\nmenuentry "Try" {\n linux /casper/vmlinuz ---\n initrd /casper/initrd\n}\n'
tree recognise/suse 'openSUSE-Leap-15.6-DVD-x86_64' 'media.1/media=openSUSE - openSUSE-Leap-15.6-x86_64\n' \
    boot/x86_64/loader/linux=k boot/x86_64/loader/initrd=i boot/x86_64/root=r 'media.1/products=/ openSUSE-Leap 15.6-1\n'
tree recognise/alpine 'alpine-std 3.20.0 x86_64' .alpine-release='alpine-std-3.20.0 240522\n' boot/vmlinuz-lts=k \
    boot/initramfs-lts=i boot/modloop-lts=m apks/.boot_repository=
tree recognise/arch 'ARCH_202405' arch/boot/x86_64/vmlinuz-linux=k arch/boot/x86_64/initramfs-linux.img=i \
    arch/x86_64/airootfs.sfs=s arch/version='2024.05.01\n' \
    'loader/entries/01.conf=title Arch\nlinux /arch/boot/x86_64/vmlinuz-linux\ninitrd /arch/boot/x86_64/initramfs-linux.img\noptions archisobasedir=arch archisolabel=ARCH_202405\n'
tree recognise/own_menu 'TOOLS' boot/k=k boot/i=i boot/memtest.bin=m isolinux/screen.msg=hello \
    'isolinux/isolinux.cfg=display screen.msg\nF1 screen.msg\ntimeout 50\nmenu title It is ${x} || reboot\nlabel 1\n menu label One\n kernel /boot/k\n append initrd=/boot/i a="b c" d\nlabel 2\n menu label Two && it\n kernel /boot/k\nlabel ks\n kernel /boot/k x\nlabel ks\n kernel /boot/memtest.bin\n'

tree loaders/tree '' EFI/BOOT/BOOTX64.EFI@pe/signed EFI/BOOT/grubx64.efi@pe/grub EFI/centos/shimx64.efi@pe/grub \
    EFI/BOOT/BOOTIA32.EFI=MZ EFI/BOOT/BOOTIA32.conf= isolinux/pxelinux.0='PXELINUX 6.04 PXE' isolinux/ldlinux.c32=l \
    isolinux/menu.c32='libutil.c32' isolinux/libutil.c32=u
tree loaders/fat '' images/efiboot.img@fat/fat12
tree loaders/debs '' pool/main/s/syslinux/pxelinux_6.04-1_all.deb@deb/zstd.deb \
    pool/main/s/shim-signed/shim-signed_1.44-1_amd64.deb@deb/gzip.deb \
    pool/main/g/grub-efi-amd64-signed/grub-efi-amd64-signed_1-2.06-1_amd64.deb@deb/xz.deb
tree loaders/rpms '' Packages/s/syslinux-6.04-1.el9.x86_64.rpm@rpm/zstdio \
    Packages/s/syslinux-nonlinux-6.04-1.el9.noarch.rpm@rpm/gzdio Packages/s/shim-x64-15.8-1.el9.x86_64.rpm@rpm/gzdio \
    Packages/g/grub2-efi-x64-2.06-1.el9.x86_64.rpm@rpm/xzdio

# Tables that tell of a partition where the check has one: behind the system area and the image.
perl -e '
    my ($here) = @ARGV;
    my $first = (32768 + -s "$here/iso/plain") / 512;
    my $count = int((-s "$here/fat/fat12") / 512);
    my $write = sub { open(my $to, ">:raw", "$here/partition/$_[0]") or die; print $to $_[1] };
    my $mbr = sub { "\0" x 446 . join("", map { pack("a4Ca3VV", "", @$_) } @_) . "\0" x (64 - 16 * @_) . "\x55\xaa" };
    my $chs = "\xff\xff\xff";
    $write->("mbr", $mbr->([0x17, $chs, 1, $first], [0xef, $chs, $first, $count]));
    my $esp = pack("H*", "28732ac11ff8d211ba4b00a0c93ec93b");
    my $entry = sub { $_[0] . "\1" x 16 . pack("QQQ", $_[1], $_[2], 0) . "E\0S\0P\0" . "\0" x 66 };
    my $header = "EFI PART" . pack("VVVVQQQQ", 0x10000, 92, 0, 0, 1, 200, 34, 199) . "\2" x 16 . pack("QVVV", 2, 4, 128, 0);
    $write->("gpt", $mbr->([0xee, $chs, 1, 200]) . $header . "\0" x (512 - length $header)
        . $entry->("\3" x 16, 64, $first - 1) . $entry->($esp, $first, $first + $count - 1));
' "$here"
