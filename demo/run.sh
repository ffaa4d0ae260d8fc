#!/usr/bin/env bash
# Lets pxego install a virtual machine in front of your eyes: demo/run.sh BINARY [bios|uefi|uefi-sb]
#
# Everything happens in network namespaces of its own, which nothing else can see; they are removed at the end, however
# the end comes. Needs root for that, and asks for it with sudo.
set -euo pipefail
. "$(dirname "$0")/common.sh"
here=$(cd "$(dirname "$0")" && pwd)
mac=52:54:00:12:34:56

[[ ($# == 1 || $# == 2) && -x $1 && ${2-uefi} =~ ^(bios|uefi|uefi-sb)$ ]] ||
    die "usage: demo/run.sh BINARY [bios|uefi|uefi-sb]; \"make demo\" builds the binary"
binary=$1 firmware=${2-uefi}
if [[ $EUID != 0 ]]; then
    say "a network namespace and a raw socket need root: sudo may ask"
    exec sudo --preserve-env=CARGO_TARGET_DIR "$0" "$@"
fi

# Two, as the switch in one with the server would answer for the server's address (arp_ignore in the kernel's
# ip-sysctl.rst), and TFTP is served on the server's card only.
server=pxego-demo-s-$$ bench=pxego-demo-c-$$
console=$lab_dir/demo-console.log
work=$(mktemp -d)
machine='' pxego='' interrupted=''

# Called once, at the end: nothing of the demo outlives it.
remove() {
    trap '' INT TERM HUP
    stop "$machine"
    stop "$pxego"
    wait
    local namespace
    for namespace in "$server" "$bench"; do
        [[ ! -e /run/netns/$namespace ]] || ip netns del "$namespace"
    done
    rm -rf "$work"
    [[ -z $interrupted ]] || printf '\n%s\n' "interrupted; everything is removed"
}

# Ends a process of ours, and waits until it has undone what it did.
stop() {
    [[ -z $1 ]] || ! kill "$1" 2>/dev/null || wait "$1" || true
}

trap remove EXIT
trap 'interrupted=yes; exit 130' INT
trap 'interrupted=yes; exit 143' TERM HUP

# Colours only where somebody looks.
plain='' bold='' dim='' ours='' theirs=''
if [[ -t 1 ]]; then
    plain=$'\e[0m' bold=$'\e[1m' dim=$'\e[2m' ours=$'\e[36m' theirs=$'\e[33m'
fi

# What pxego writes. Makes the file `ready` when it serves.
show_pxego() {
    local line
    while IFS= read -r line; do
        printf '%s%-8s%s %s\n' "$ours" pxego "$plain" "$line"
        [[ $line != *"  ready  "* ]] || touch "$work/ready"
    done
}

# What the installer writes to the serial console; what firmware draws there is only kept. Keeps the last line apart.
show_machine() {
    local line
    tee "$console" | grep --line-buffered -a -o 'pxego-lab: .*' | while IFS= read -r line; do
        line=${line#pxego-lab: } line=${line%$'\r'}
        printf '%s%-8s%s %(%H:%M:%S)T  %s\n' "$theirs" machine "$plain" -1 "$line"
        printf '%s\n' "$line" >"$work/last"
    done
}

### image and kickstart

say "making the image, unless it is there (a quarter of a minute)"
image=$("$here/image.sh" el9)
# What was made as root must not be in the way of the user whose directory it is.
[[ -z ${SUDO_UID-} ]] || chown -R --from=root "$SUDO_UID:${SUDO_GID-}" "$lab_dir"
ln -s "$image" "$work/CentOS.iso"
printf '%s\n' 'lang en_US' 'rootpw --lock' 'clearpart --all --initlabel' 'autopart' '%packages' '@core' '%end' >"$work/ks.cfg"

### network: a cable from pxego's card to a switch, and the machine on it

ip netns add "$server"
ip netns add "$bench"
ip -n "$server" link set lo up
ip -n "$server" link add eth0 type veth peer name port1 netns "$bench"
ip -n "$server" link set eth0 up
ip -n "$bench" link add switch type bridge forward_delay 0
ip -n "$bench" tuntap add port2 mode tap
for port in port1 port2; do
    ip -n "$bench" link set "$port" master switch
    ip -n "$bench" link set "$port" up
done
ip -n "$bench" link set switch up

### the show

case $firmware in
    bios) what="legacy BIOS" ;;
    uefi) what="UEFI" ;;
    uefi-sb) what="UEFI with Secure Boot on" ;;
esac
cat <<INTRO

${bold}pxego installs a machine.${plain} The machine is virtual: $what, nothing on its disk. Its firmware, its boot loader and its
kernel are real; the installer on the small CentOS-like image is an imitation that fetches and checks everything the real
one would. No KVM is used, so it takes about a minute. Ctrl-C ends it. This is typed, in a network of its own:

    pxego --iface eth0 --iso CentOS.iso --ks ks.cfg

${dim}pxego    what pxego tells you, a line for every step of every machine
machine  what the machine says on its serial console${plain}

INTRO
mkfifo "$work/pxego.out" "$work/machine.out"
show_pxego <"$work/pxego.out" &
pxego_lines=$!
show_machine <"$work/machine.out" &
machine_lines=$!
started=$SECONDS
ip netns exec "$server" "$binary" --iface eth0 --iso "$work/CentOS.iso" --ks "$work/ks.cfg" --state "$work/state" \
    >"$work/pxego.out" 2>&1 &
pxego=$!
until [[ -e $work/ready ]]; do
    kill -0 "$pxego" 2>/dev/null || die "pxego did not start"
    sleep 0.1
done
timeout --foreground 300 ip netns exec "$bench" "$here/machine.sh" "$firmware" port2 "$mac" >"$work/machine.out" &
machine=$!
wait "$machine" || die "the machine did not come to an end; its console is in $console"
machine=''
wait "$machine_lines"
took=$((SECONDS - started))
kill "$pxego"
wait "$pxego" || die "pxego failed"
pxego=''
wait "$pxego_lines"

[[ $(cat "$work/last" 2>/dev/null) == "install ok" ]] || die "the machine was not installed; its console is in $console"
left=$(ip -n "$server" -4 -o address show dev eth0)
[[ -z $left ]] || die "pxego left an address on eth0: $left"
cat <<END

${bold}Installed in $took s.${plain} The machine asked its network card for something to boot. pxego gave it an address, and out of the
unmounted image a boot loader, the kernel, the initial ramdisk, the installer and the packages; the machine found every
checksum right and the kickstart in its place. Then pxego took back the address that it had given eth0. The network is
removed, too.

${bold}With real hardware${plain}, plug the machines and this computer into one switch, or one cable, and type

    sudo $binary --iface eth0 --iso CentOS.iso --ks ks.cfg

with the name of your interface, which this shows: sudo $binary --iso CentOS.iso
Then let the machines boot from the network. Their disks are wiped only if the kickstart says so.
Other firmware here: demo/run.sh $binary bios|uefi|uefi-sb
END
