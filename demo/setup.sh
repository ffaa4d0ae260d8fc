#!/usr/bin/env bash
# Installs with apt-get what a job needs: demo/setup.sh demo|test|bench
#
# Knows Debian 12 and 13, Ubuntu 22.04 and 24.04. Starts no service and leaves alone what this computer boots.
set -euo pipefail
. "$(dirname "$0")/common.sh"

# One package a line, and why. `a|b`: the first that this release has.
packages() {
    cat <<'LIST'
qemu-system-x86    the machine that is installed
seabios            its BIOS
ipxe-qemu          the boot ROM of its network card
ovmf               its UEFI, with and without Secure Boot
busybox-static     the installer on the image: an imitation of anaconda's first stage
kmod               its kernel modules
cpio               its initial ramdisk
zstd               modules and packages that are packed with it
xz-utils           likewise
pxelinux           the BIOS loader on the image
syslinux-common    its modules
isolinux           the loader of the image itself
rpm                makes the packages on the image
createrepo-c       describes them
xorriso            makes the image
iproute2           the network that it all happens in
LIST
    [[ $1 == demo ]] || cat <<'LIST'
ipxe               fallback loaders
curl               HTTP client
wget               HTTP client
lftp               HTTP client that mirrors
python3-requests   HTTP client, and urllib with it
dnf                HTTP client that installs packages
slowhttptest       HTTP clients that hold connections
tftp-hpa           TFTP client
atftp              TFTP client with windowsize
isc-dhcp-client    DHCP client
dnsmasq-base       another DHCP server on the wire
isc-dhcp-server    likewise
qemu-system-arm    a machine of 64-bit Arm
qemu-efi-aarch64   its UEFI
u-boot-qemu        its U-Boot
nftables           a firewall in the way
libcap2-bin        rights without root
ethtool            offloads of a network card
file               says that the binary is static
strace             says which system calls were made
tcpdump            says what went over the cable
genisoimage        images by another program
mtools             disks with an EFI system partition
LIST
    [[ $1 != bench ]] || cat <<'LIST'
kea-admin          perfdhcp, a load of DHCP clients
libwrap0           a library of two TFTP servers that are unpacked aside
kea-dhcp4-server   DHCP server to compare with
nginx-light|nginx-core  another HTTP server
LIST
}

# `a|b`: the installed one, else the first that can be installed.
choose() {
    local names name
    IFS='|' read -ra names <<<"$1"
    for name in "${names[@]}"; do
        installed "$name" && printf '%s\n' "$name" && return
    done
    for name in "${names[@]}"; do
        apt-cache show "$name" >/dev/null 2>&1 && printf '%s\n' "$name" && return
    done
    printf '%s\n' "${names[0]}"
}

root() {
    if [[ $EUID == 0 ]]; then "$@"; else sudo "$@"; fi
}

# Packages that bring a server do not start it while they are installed.
install() {
    local policy=/usr/sbin/policy-rc.d made=
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | root tee "$policy" >/dev/null
        root chmod 755 "$policy"
        made=yes
    fi
    local status=0
    root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" || status=$?
    [[ -z $made ]] || root rm -f "$policy"
    return $status
}

# Names of the packages that a kernel's metapackage stands for: kernel_parts NAME [OPTION OF APT ...]
kernel_parts() {
    apt-cache "${@:2}" depends --no-recommends --no-suggests "$1" |
        sed -n 's/^ *|\?Depends: \(linux-\(image\|modules\)-[0-9].*\)/\1/p' | grep -v unsigned
}

# The packages of 64-bit Arm that its machine gets, from this computer's archive, with lists of their own: what apt knows
# and may install here stays as it is.
unpack_arm64() {
    local work=$cache_dir/apt-arm64 names file
    mkdir -p "$work"/{lists,cache,debs}/partial
    : >"$work/status"
    local options=(
        -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o "Dir::State::status=$work/status"
    )
    # Ubuntu has it elsewhere.
    if grep -q '^ID=ubuntu' /etc/os-release; then
        local release
        release=$(. /etc/os-release && echo "$VERSION_CODENAME")
        printf 'deb http://ports.ubuntu.com/ubuntu-ports %s main universe\n' "$release"{,-updates} >"$work/sources.list"
        options+=(-o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null)
    fi
    apt-get "${options[@]}" update --quiet
    local kernel=linux-image-arm64
    apt-cache "${options[@]}" show "$kernel" >/dev/null 2>&1 || kernel=linux-image-generic
    mapfile -t names < <(kernel_parts "$kernel" "${options[@]}" | grep image)
    names+=(shim-signed grub-efi-arm64-bin)
    apt-cache "${options[@]}" show shim-helpers-arm64-signed >/dev/null 2>&1 && names+=(shim-helpers-arm64-signed)
    say "unpacking into $unpacked_arm64, not installing: ${names[*]}"
    (cd "$work/debs" && apt-get "${options[@]}" download "${names[@]}")
    for file in "$work"/debs/*.deb; do
        dpkg-deb -x "$file" "$unpacked_arm64"
    done
    rm -r "$work"
    touch "$unpacked_arm64/complete"
}

unpack() {
    local names=() name file
    for name in "$@"; do
        case $name in
            linux-image-*)
                local parts part
                mapfile -t parts < <(kernel_parts "$name")
                [[ ${#parts[@]} -gt 0 ]] || die "no kernel behind the package $name"
                names+=("${parts[@]}")
                # Ubuntu keeps the modules apart.
                for part in "${parts[@]/image/modules}"; do
                    apt-cache show "$part" >/dev/null 2>&1 && names+=("$part")
                done
                ;;
            *) names+=("$name") ;;
        esac
    done
    mapfile -t names < <(printf '%s\n' "${names[@]}" | sort -u)
    say "unpacking into $unpacked, not installing: ${names[*]}"
    mkdir -p "$cache_dir/debs"
    (cd "$cache_dir/debs" && apt-get download -o APT::Sandbox::User=root "${names[@]}")
    for file in "$cache_dir"/debs/*.deb; do
        dpkg-deb -x "$file" "$unpacked"
        rm "$file"
    done
    # Debian 13 has the modules below usr/ only; modprobe looks below lib/.
    [[ -e $unpacked/lib ]] || ln -s usr/lib "$unpacked/lib"
    for file in "$unpacked"/lib/modules/*; do
        depmod -b "$unpacked" "$(basename "$file")"
    done
    printf '%s\n' "$aside_packages" >"$unpacked/complete"
}

[[ ${1-} =~ ^(demo|test|bench)$ ]] || die "usage: demo/setup.sh demo|test|bench"
job=$1
if ! command -v apt-get >/dev/null; then
    say "this computer has no apt-get; needed for $job, under Debian's names:"
    packages "$job" >&2
    die "install these with the package manager you have, then run what pxego's Makefile runs next"
fi

missing=()
while read -r name why; do
    installed "$(choose "$name")" || missing+=("$name $why")
done < <(packages "$job")
aside=() aside_packages=$guest_packages
[[ $job == demo ]] || aside_packages+=" $test_guest_packages"
if [[ $(cat "$unpacked/complete" 2>/dev/null) != "$aside_packages"* ]]; then
    for name in $aside_packages; do
        installed "$(choose "$name")" || aside+=("$name")
    done
fi
# Rivals of the benchmarks that exclude each other as packages.
if [[ $job == bench ]]; then
    [[ -e $unpacked/usr/sbin/in.tftpd ]] || aside+=(tftpd-hpa)
    [[ -e $unpacked/usr/sbin/atftpd ]] || aside+=(atftpd)
fi
arm64=
[[ $job != test || -e $unpacked_arm64/complete ]] || arm64=yes
if [[ ${#missing[@]} == 0 && ${#aside[@]} == 0 && -z $arm64 ]]; then
    say "all packages for $job are there"
    exit 0
fi

[[ $EUID == 0 ]] || say "apt-get needs root: sudo will ask"
root apt-get update --quiet
if [[ ${#missing[@]} -gt 0 ]]; then
    names=()
    say "installing with apt-get, for $job:"
    for line in "${missing[@]}"; do
        read -r name why <<<"$line"
        name=$(choose "$name")
        names+=("$name")
        printf '    %-18s %s\n' "$name" "$why" >&2
    done
    install "${names[@]}"
fi
if [[ ${#aside[@]} -gt 0 ]]; then
    names=()
    for name in "${aside[@]}"; do names+=("$(choose "$name")"); done
    unpack "${names[@]}"
fi
[[ -z $arm64 ]] || unpack_arm64
