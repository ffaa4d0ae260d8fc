#!/bin/sh
# Makes seeds/iso/*: small images without their first 32 KiB, which are zeros and which the check puts back.
# Needs xorriso and genisoimage (apt-get install xorriso genisoimage). Times and numbers of inodes differ each time.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
mkdir -p "$here/iso"
long=$(printf 'long-name-%.0s' $(seq 20))

tree=$top/tree
mkdir -p "$tree/images/pxeboot" "$tree/a/b/c/d/e/f/g/h/i" "$tree/$long"
echo kernel >"$tree/images/pxeboot/vmlinuz"
echo '[general]' >"$tree/.treeinfo"
echo deep >"$tree/a/b/c/d/e/f/g/h/i/deep"
echo odd >"$tree/libstdc++ ~%é.rpm"
: >"$tree/empty"
ln "$tree/.treeinfo" "$tree/$long/hard"
ln -s images "$tree/link"
ln -s ../.treeinfo "$tree/a/up"
ln -s a/b/../b/c/d/e/f/g/h/i/deep "$tree/far"
ln -s circle "$tree/circle"
ln -s "$long/$long/nothing" "$tree/dangling"

flat=$top/flat
mkdir -p "$flat/DIR"
echo first >"$flat/AAAA.BIN"
echo second >"$flat/AAAB.BIN"
echo other >"$flat/DIR/README.TXT"

# Without padding, and without the copies of the path table for other readers.
keep() { # NAME IMAGE
    tail -c +32769 "$2" >"$here/iso/$1"
}
xorriso -as mkisofs -quiet -o "$top/image" -V XORRISO -R -no-pad "$tree"
keep xorriso_rock_ridge "$top/image"
xorriso -as mkisofs -quiet -o "$top/image" -V DEEP -R -J -joliet-long -no-pad -rr_reloc_dir /rr_moved "$tree"
keep xorriso_joliet_too "$top/image"
genisoimage -quiet -o "$top/image" -V GENISOIMAGE -R -no-pad "$tree"
keep genisoimage_relocated "$top/image"
genisoimage -quiet -o "$top/image" -V JOLIET -J -joliet-long -no-pad -f "$flat"
keep joliet "$top/image"
genisoimage -quiet -o "$top/image" -V PLAIN -no-pad "$flat"
keep plain "$top/image"
# A file of two extents: both records have one name, the first says that it goes on (ECMA-119 §9.1.6).
perl -0pe 's/\0(.{7}\x0aAAAA\.BIN;1)/\x80$1/s; s/AAAB\.BIN;1/AAAA.BIN;1/' "$top/image" >"$top/image2"
keep two_extents "$top/image2"
