#!/usr/bin/env bash
# Makes an install image of 10 GB with 30,000 packages: benches/large_image.sh [30000|100000]
#
# With 100,000 they are small ones, of 1 GB together.
# Everything that is looked at when it is opened is real: it is the lab's EL8 image with packages of zeros beside its own,
# in as many directories as a DVD has. Kept below target/, with holes for the zeros. Prints its path.
set -euo pipefail
. "$(dirname "$0")/../demo/common.sh"
here=$(cd "$(dirname "$0")" && pwd)

count=${1-30000}
case $count in
    30000) libraries=10000 size=333K ;;
    100000) libraries=30000 size=10K ;;
    *) die "usage: benches/large_image.sh [30000|100000]" ;;
esac
modules=$((count - libraries))
small=$("$here/../demo/image.sh" el8)
recipe=$(cat "$here/large_image.sh" <(basename "$small") | sha256sum | cut -c 1-16)
directory=$lab_dir/images
out=$directory/large-$count-$recipe.iso
exec 9>"$directory/large-$count.lock"
flock 9
if [[ ! -e $out ]]; then
    rm -f "$directory/large-$count-"*
    work=$(mktemp -d -p "$directory")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"/{BaseOS,AppStream}/Packages
    say "making an image with $count files, once"
    # Names as long as a distribution's; 10 GB of 30,000 files are 333 kB each.
    seq -f "$work/BaseOS/Packages/library-of-something-%05.0f-4.18.0-348.el8.x86_64.rpm" 1 "$libraries" | xargs truncate -s $size
    seq -f "$work/AppStream/Packages/perl-Some-Module-%05.0f-1.20-396.module_el8+2464+d274aed1.noarch.rpm" 1 "$modules" |
        xargs truncate -s $size
    xorriso -abort_on FAILURE -report_about WARNING -joliet on -indev "$small" -outdev "$out.part" \
        -map "$work" / -commit -end >"$work.log" 2>&1 || die "xorriso: $(cat "$work.log")"
    rm -f "$work.log"
    # 10 GB of zeros need no room. Where the file system has no holes, they take it.
    fallocate --dig-holes "$out.part" 2>/dev/null || true
    mv "$out.part" "$out"
fi
echo "$out"
