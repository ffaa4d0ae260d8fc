#!/bin/sh
# Makes seeds/rpm/*: one tiny package for each payload, and one with a payload that is refused.
# Needs rpmbuild (apt-get install rpm). Same bytes for the same rpmbuild.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
cat >"$top/seed.spec" <<'SPEC'
%global __os_install_post %{nil}
%global debug_package %{nil}
%global _build_id_links none
Name: syslinux-seed
Version: 6.04
Release: 1
Summary: seed
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
%install
mkdir -p %{buildroot}/tftpboot
printf 'pxelinux stands here\n%.0s' 1 2 3 4 5 6 7 8 >%{buildroot}/tftpboot/pxelinux.0
printf 'c32\n' >%{buildroot}/tftpboot/menu.c32
ln %{buildroot}/tftpboot/menu.c32 %{buildroot}/tftpboot/same.c32
%files
/tftpboot
SPEC
for payload in w9.gzdio w2.xzdio w6.lzdio w3.zstdio w.ufdio w9.bzdio; do
    SOURCE_DATE_EPOCH=1700000000 rpmbuild -bb --quiet --nodeps --define "_topdir $top" \
        --define "_binary_payload $payload" --define "_buildhost pxego" \
        --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
        "$top/seed.spec" 2>/dev/null
    mv "$top/RPMS/noarch/syslinux-seed-6.04-1.noarch.rpm" "$here/rpm/${payload#*.}"
done
