#!/usr/bin/env bash
# Makes an install image of 10 GB with 30,000 packages: benches/large_image.sh
#
# Everything that is looked at when it is opened is real: it is the lab's EL8 image with packages of zeros beside its own,
# in as many directories as a DVD has. Kept below target/, with holes for the zeros. Prints its path.
set -euo pipefail
. "$(dirname "$0")/../demo/common.sh"
here=$(cd "$(dirname "$0")" && pwd)

small=$("$here/../demo/image.sh" el8)
recipe=$(cat "$here/large_image.sh" <(basename "$small") | sha256sum | cut -c 1-16)
directory=$lab_dir/images
out=$directory/large-$recipe.iso
exec 9>"$directory/large.lock"
flock 9
if [[ ! -e $out ]]; then
    rm -f "$directory"/large-*
    work=$(mktemp -d -p "$directory")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"/{BaseOS,AppStream}/Packages
    say "making an image of 10 GB with 30,000 files, once"
    # Names as long as a distribution's; 10 GB of 30,000 files are 333 kB each.
    seq -f "$work/BaseOS/Packages/library-of-something-%05.0f-4.18.0-348.el8.x86_64.rpm" 1 10000 | xargs truncate -s 333K
    seq -f "$work/AppStream/Packages/perl-Some-Module-%05.0f-1.20-396.module_el8+2464+d274aed1.noarch.rpm" 1 20000 |
        xargs truncate -s 333K
    xorriso -abort_on FAILURE -report_about WARNING -joliet on -indev "$small" -outdev "$out.part" \
        -map "$work" / -commit -end >"$work.log" 2>&1 || die "xorriso: $(cat "$work.log")"
    rm -f "$work.log"
    # 10 GB of zeros need no room. Where the file system has no holes, they take it.
    fallocate --dig-holes "$out.part" 2>/dev/null || true
    mv "$out.part" "$out"
fi
echo "$out"
