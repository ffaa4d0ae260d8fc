#!/bin/sh
# Makes seeds/{deb,el_torito,fat,pe,udf}/*: small ones of each kind. Needs dpkg-deb, bzip2, lzma of xz-utils, mkfs.fat, mtools,
# xorriso, genisoimage, mkudffs, perl, openssl and osslsigncode. Packages come out the same each time; the times and volume
# numbers of file systems and the certificate do not.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
mkdir -p "$here/deb" "$here/el_torito" "$here/fat" "$here/pe" "$here/udf"
long=$(printf 'long-name-%.0s' $(seq 12))

# Debian packages: every packing, a list of checksums, hard and long links.
root=$top/package
mkdir -p "$root/DEBIAN" "$root/usr/lib/PXELINUX/$long"
printf 'Package: pxelinux\nVersion: 6.04-1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: seed\n' \
    >"$root/DEBIAN/control"
printf 'pxelinux stands here\n%.0s' 1 2 3 4 5 6 7 8 >"$root/usr/lib/PXELINUX/pxelinux.0"
ln "$root/usr/lib/PXELINUX/pxelinux.0" "$root/usr/lib/PXELINUX/same.0"
ln -s pxelinux.0 "$root/usr/lib/PXELINUX/link.0"
echo deep >"$root/usr/lib/PXELINUX/$long/deep"
for packing in gzip xz zstd none; do
    [ $packing = none ] || (cd "$root" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums)
    SOURCE_DATE_EPOCH=1700000000 dpkg-deb --root-owner-group -Z$packing --build "$root" "$here/deb/$packing" >/dev/null
    rm -f "$root/DEBIAN/md5sums"
done
# dpkg-deb writes these no more.
archive() {
    tar --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner "$@"
}
(
    cd "$top"
    echo 2.0 >debian-binary
    archive -C "$root/DEBIAN" --format=ustar -cf control.tar ./control
    gzip -9n control.tar
    for tool in bzip2:bz2 lzma:lzma; do
        archive -C "$root" --format=pax --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
            -cf data.tar ./usr
        "${tool%:*}" data.tar
        rm -f "$here/deb/${tool%:*}"
        ar qcD "$here/deb/${tool%:*}" debian-binary control.tar.gz "data.tar.${tool#*:}"
    done
)

# FAT: of each width as small as they are, FAT32 cut behind what is in use.
files=$top/files
mkdir -p "$files/EFI/BOOT" "$files/a/b/c/d"
echo shim >"$files/EFI/BOOT/BOOTX64.EFI"
head -c 3000 /dev/zero | tr '\0' g >"$files/EFI/BOOT/grubx64.efi"
echo long >"$files/a/b/$long"
: >"$files/a/b/c/d/empty"
fat() { # NAME BITS KILOBYTES
    truncate -s "$3K" "$top/fat"
    mkfs.fat -F "$2" -s 1 -f 1 -r 16 -n SEED "$top/fat" >/dev/null
    MTOOLS_SKIP_CHECK=1 mcopy -i "$top/fat" -s -Q "$files"/* ::
    perl -0777 -pe 's/\0+\z//' "$top/fat" >"$here/fat/$1"
    rm "$top/fat"
}
fat fat12 12 64
fat fat16 16 2200
mkfs.fat -C -F 32 -s 1 -f 1 "$top/fat" 33300 >/dev/null
# The table of FAT32 alone has 260 KB: the boot sector is told of a shorter one before there are files.
printf '\010\0\0\0' | dd of="$top/fat" bs=1 seek=36 conv=notrunc 2>/dev/null
MTOOLS_SKIP_CHECK=1 mcopy -i "$top/fat" -s -Q "$files"/* :: 2>/dev/null || true
perl -0777 -pe 's/\0+\z//' "$top/fat" >"$here/fat/fat32"

# El Torito: the catalogues alone.
mkdir -p "$top/tree"
head -c 2048 /dev/zero >"$top/tree/bios"
cp "$here/fat/fat12" "$top/tree/efi"
catalog() { # NAME OPTION ...
    name=$1
    shift
    xorriso -as mkisofs -quiet -o "$top/image" -c boot.cat "$@" "$top/tree" 2>/dev/null
    at=$(xorriso -indev "$top/image" -report_el_torito plain 2>/dev/null | sed -n 's/^El Torito cat path.*//; s/^El Torito catalog  : *\([0-9]*\) .*/\1/p')
    dd if="$top/image" bs=2048 skip="$at" count=1 2>/dev/null | perl -0777 -pe 's/\0+\z//' >"$here/el_torito/$name"
    truncate -s %32 "$here/el_torito/$name"
}
catalog bios_and_uefi -b bios -no-emul-boot -eltorito-alt-boot -e efi -no-emul-boot
catalog uefi -e efi -no-emul-boot
catalog three -b bios -no-emul-boot -eltorito-alt-boot -b efi -no-emul-boot -eltorito-alt-boot -e efi -no-emul-boot

# EFI programs: the head of a signed one, with its table of certificates drawn to it.
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$top/key" -out "$top/certificate" -days 3650 \
    -subj '/O=pxego/CN=pxego seed' 2>/dev/null
perl -e '
    my $pe = "MZ" . "\0" x 58 . pack("V", 64) . "PE\0\0" . pack("vvVVVvv", 0x8664, 2, 0, 0, 0, 240, 0x22e);
    my $optional = pack("vCCVVVVV", 0x20b, 1, 0, 512, 512, 0, 4096, 4096) . pack("QVVvvvvvvVVVVvv", 0x400000, 4096, 512,
        0, 0, 0, 0, 0, 0, 0, 12288, 512, 0, 10, 0) . pack("QQQQVV", 0, 0, 0, 0, 0, 16) . "\0" x 128;
    my $section = sub { pack("a8VVVVVVvvV", @_, 0, 0, 0, 0, 0x60000020) };
    $pe .= $optional . $section->(".text", 512, 4096, 512, 512) . $section->("mods", 512, 8192, 512, 1024);
    $pe .= "\0" x (512 - length $pe) . "\x90" x 512 . "blksize\0" . "m" x 504;
    print $pe' >"$here/pe/grub"
osslsigncode sign -certs "$top/certificate" -key "$top/key" -in "$here/pe/grub" -out "$here/pe/signed" >/dev/null

# UDF: sectors that are not empty, each behind its number.
sectors() { # NAME IMAGE
    perl -e '
        binmode STDIN; binmode STDOUT;
        my ($number, $sector) = (0);
        while (read(STDIN, $sector, 2048)) {
            $sector .= "\0" x (2048 - length $sector);
            print pack("n", $number), $sector if $sector =~ /[^\0]/;
            $number++;
        }' <"$2" >"$here/udf/$1"
}
genisoimage -quiet -udf -V BRIDGE -o "$top/image" -no-pad "$files" 2>/dev/null
perl -0777 -pe 's/(.)CD001/$1\0\0\0\0\0/gs' "$top/image" >"$top/alone"
sectors bridge "$top/alone"
truncate -s 700K "$top/udf"
mkudffs -m hd -b 512 -r 2.01 "$top/udf" >/dev/null
sectors hd "$top/udf"
