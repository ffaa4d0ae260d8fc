# shellcheck shell=bash
# What the scripts of the lab share. Sourced, not run.

# Third-party files that are made or unpacked here go below target/, where `make clean` finds them.
lab_dir=${CARGO_TARGET_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/target}/lab

# Packages whose files the virtual machine gets: its kernel and its Secure Boot loaders. They are unpacked here when
# this computer does not have them: installing them would change what it boots itself. Once for every clone.
home=$HOME
[[ -z ${SUDO_USER-} ]] || home=$(getent passwd "$SUDO_USER" | cut -d : -f 6)
cache_dir=${XDG_CACHE_HOME:-$home/.cache}/pxego-lab
unpacked=$cache_dir/packages
# shellcheck disable=SC2034 # for setup.sh
guest_packages="linux-image-amd64|linux-image-generic shim-signed shim-helpers-amd64-signed|shim-signed grub-efi-amd64-signed"

# More of it for tests: what makes a GRUB like Red Hat's, images that are in packages, and a real installer.
test_guest_packages="grub-efi-amd64-bin grub-common memtest86+ grub-rescue-pc debian-installer-12-netboot-amd64|debian-installer-13-netboot-amd64"
# The same for 64-bit Arm, which this computer need not be.
unpacked_arm64=$cache_dir/packages-arm64
# Loaders of a newer release: GRUB from 2.12 on knows proxyDHCP, and Debian's signed one then speaks HTTP; and iPXE for
# 64-bit Arm, which Debian builds since version 13.
# shellcheck disable=SC2034 # for setup.sh and image.sh
unpacked_signed=$cache_dir/packages-signed

# Packages of another vendor, with the kernel and the loaders that it signed: they trust nobody else's.
# shellcheck disable=SC2034 # for setup.sh and family.sh
vendor_dir=$cache_dir/packages-ubuntu
# Python 2, which the installers of EL5 and EL6 report with.
# shellcheck disable=SC2034 # for setup.sh
unpacked_python2=$cache_dir/python2
# shellcheck disable=SC2034 # for setup.sh
python2_packages="python2.7-minimal libpython2.7-minimal libpython2.7-stdlib"

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# Whether a package is installed.
installed() { [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]; }

# The first of these files that exists, here or among the unpacked packages. Globs are allowed; of several matches the
# last is taken, which of kernels is the newest.
file_of() {
    local pattern root match found
    for pattern in "$@"; do
        for root in "$unpacked" ""; do
            found=
            for match in $root$pattern; do
                [[ -e $match ]] && found=$match
            done
            [[ -n $found ]] && printf '%s\n' "$found" && return
        done
    done
    die "not found: $*; install what is missing with: demo/setup.sh demo"
}

# depmod, modprobe: not on everybody's path.
PATH=$PATH:/usr/sbin:/sbin
