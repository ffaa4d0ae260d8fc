#!/usr/bin/env bash
# Makes an RPM: demo/package.sh NAME-VERSION-RELEASE.ARCH PAYLOAD FILES DIRECTORY
#
# PAYLOAD is rpm's %_binary_payload, such as w2.xzdio; the tree FILES is what the package installs.
set -euo pipefail
. "$(dirname "$0")/common.sh"
[[ $# == 4 ]] || die "usage: demo/package.sh NAME-VERSION-RELEASE.ARCH PAYLOAD FILES DIRECTORY"
arch=${1##*.} rest=${1%.*} payload=$2 files=$(cd "$3" && pwd) directory=$4
release=${rest##*-} rest=${rest%-*}
version=${rest##*-} name=${rest%-*}
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

# Nothing is to touch the files: no stripping, no checks of what they are.
cat >"$top/package.spec" <<SPEC
%global __os_install_post %{nil}
%global debug_package %{nil}
%global _build_id_links none
Name: $name
Version: $version
Release: $release
Summary: A package of the boot lab
License: none
AutoReqProv: no
$([[ $arch != noarch ]] || echo "BuildArch: noarch")
%description
A package of the boot lab.
%install
mkdir -p %{buildroot}
cp -a "$files"/. %{buildroot}/
%files
$(cd "$files" && find . -type f | sed 's/^\.//')
SPEC
rpmbuild -bb --quiet --nodeps --target "$arch-linux" --define "_topdir $top" \
    --define "_binary_payload $payload" "$top/package.spec" >"$top/log" 2>&1 || die "rpmbuild: $(cat "$top/log")"
mkdir -p "$directory"
mv "$top"/RPMS/"$arch"/*.rpm "$directory/"
