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
dhcpcd-base|dhcpcd5  DHCP client
bootpc             BOOTP client
isc-dhcp-relay     DHCP relay
systemd            DHCP client: systemd-networkd
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
dash               a shell that the installer may run scripts with
perl-base          crypt(3), which judges password hashes
python3-venv       pykickstart, the installers' own parser, which judges kickstarts
mtools             EFI system partitions on images and disks
dosfstools         FAT file systems
udftools           UDF file systems
isomd5sum          checksums implanted in images
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

# Unpacks packages of another release, with lists of their own: unpack_of RELEASE COMPONENT ARCHIVE FOLDER NAME ...
os=$(. /etc/os-release && echo "$ID")
unpack_of() {
    local release=$1 component=$2 archive=$3 folder=$4 names=("${@:5}") file
    local work=$cache_dir/apt-$release
    mkdir -p "$work"/{lists,cache,debs}/partial
    : >"$work/status"
    printf 'deb [signed-by=/usr/share/keyrings/%s-archive-keyring.gpg] %s %s %s\n' "$os" "$archive" "$release" \
        "$component" >"$work/sources.list"
    local options=(
        -o APT::Sandbox::User=root -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
        -o "Dir::State::status=$work/status" -o "Dir::Etc::SourceList=$work/sources.list"
        -o Dir::Etc::SourceParts=/dev/null
    )
    apt-get "${options[@]}" update --quiet --error-on=any || return
    say "unpacking into $folder, not installing: ${names[*]} of $release"
    (cd "$work/debs" && apt-get "${options[@]}" download "${names[@]}") || return
    for file in "$work"/debs/*.deb; do
        dpkg-deb -x "$file" "$folder" || return
    done
    rm -r "$work"
    printf '%s\n' "${names[*]}" >"$folder/complete"
}

# Where this computer's own packages come from.
archive() {
    local archive
    # shellcheck disable=SC2016 # apt's own variable
    archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | head -n 1)
    [[ -n $archive ]] || archive=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)
    printf '%s\n' "$archive"
}

# Loaders of the release after this one, from the same archive.
signed_packages="shim-signed grub-efi-amd64-signed"
[[ $os == ubuntu ]] || signed_packages+=" shim-helpers-amd64-signed ipxe"
unpack_signed() {
    local release=trixie names
    read -ra names <<<"$signed_packages"
    [[ $os != ubuntu ]] || release=noble
    unpack_of "$release" main "$(archive)" "$unpacked_signed" "${names[@]}"
}

# Python 2, of the last release that has it: Debian 11, whose packages move to archive.debian.org some day, or Ubuntu 22.04.
unpack_python2() {
    local names
    read -ra names <<<"$python2_packages"
    if [[ $os == ubuntu ]]; then
        unpack_of jammy universe "$(archive)" "$unpacked_python2" "${names[@]}"
    else
        unpack_of bullseye main "$(archive)" "$unpacked_python2" "${names[@]}" ||
            unpack_of bullseye main http://archive.debian.org/debian "$unpacked_python2" "${names[@]}"
    fi
}

# Packages that Ubuntu signed, as its release of 24.04 has them for good. Where they cannot be had the test that wants them
# makes do with a kernel that nobody signed.
vendor_packages="\
ba9b5d80e5d886c30664f2bebfb5c2fcce3b9b40f16fc46cba49c19a91c8059c s/shim-signed/shim-signed_1.58+15.8-0ubuntu1_amd64.deb
996cd4abdfb922594341a3ed82d73afb15bd7a6decca445108027821a9d25bda g/grub2-signed/grub-efi-amd64-signed_1.202+2.12-1ubuntu7_amd64.deb
fd2ed023c84163e62c73d3b7b613a9b004bd31e335641c23d42bd249e489fbe6 l/linux-signed/linux-image-6.8.0-31-generic_6.8.0-31.31_amd64.deb"
fetch_vendor() {
    local sum path file
    mkdir -p "$vendor_dir"
    while read -r sum path; do
        file=$vendor_dir/${path##*/}
        curl --disable --fail --silent --show-error --connect-timeout 10 --max-time 300 --output "$file" \
            "http://archive.ubuntu.com/ubuntu/pool/main/$path" && sha256sum --quiet --check <<<"$sum  $file" || {
            say "left out: packages of Ubuntu's; one test does without them"
            rm -rf "$vendor_dir"
            return
        }
    done <<<"$vendor_packages"
    touch "$vendor_dir/complete"
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

# pykickstart, from the Python registry, in an environment of its own: what is there already is not fetched again.
pykickstart=3.78
install_pykickstart() {
    local home=$cache_dir/pykickstart
    say "installing pykickstart $pykickstart with pip, into $home"
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check "pykickstart==$pykickstart"
    echo "$pykickstart" >"$home/complete"
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
        name=$(choose "$name")
        # Debian's installer is no package of Ubuntu's.
        installed "$name" || { [[ $name == debian-installer-* ]] && ! apt-cache show "$name" >/dev/null 2>&1; } ||
            aside+=("$name")
    done
fi
# Rivals of the benchmarks that exclude each other as packages.
if [[ $job == bench ]]; then
    [[ -e $unpacked/usr/sbin/in.tftpd ]] || aside+=(tftpd-hpa)
    [[ -e $unpacked/usr/sbin/atftpd ]] || aside+=(atftpd)
fi
arm64=
[[ $job != test || -e $unpacked_arm64/complete ]] || arm64=yes
signed=
[[ $job != test || $(cat "$unpacked_signed/complete" 2>/dev/null) == "$signed_packages" ]] || signed=yes
python2=
[[ $job != test || $(cat "$unpacked_python2/complete" 2>/dev/null) == "$python2_packages" ]] || python2=yes
parser=
[[ $job != test || $(cat "$cache_dir/pykickstart/complete" 2>/dev/null) == "$pykickstart" ]] || parser=yes
vendor=
[[ $job != test || $os == ubuntu || -e $vendor_dir/complete ]] || vendor=yes
if [[ -n $vendor ]] && command -v curl >/dev/null; then
    fetch_vendor
    vendor=
fi
if [[ ${#missing[@]} == 0 && ${#aside[@]} == 0 && -z $arm64 && -z $signed && -z $python2 && -z $parser ]]; then
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
[[ -z $signed ]] || unpack_signed
[[ -z $python2 ]] || unpack_python2
[[ -z $parser ]] || install_pykickstart
[[ -z $vendor ]] || fetch_vendor
