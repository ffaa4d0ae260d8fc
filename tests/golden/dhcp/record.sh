#!/usr/bin/env bash
# Records anew what real clients send, for tests/dhcp_golden.rs: tests/golden/dhcp/record.sh PXEGO IMAGE.iso OUT [NAME ...]
#
# Needs root, and what demo/setup.sh test installs. Everything happens in network namespaces of its own. Afterwards
#     PXEGO_CAPTURES=OUT cargo test --test dhcp_golden
# writes the texts beside this file; read the difference before it is committed.
set -euo pipefail
. "$(dirname "$0")/../../../demo/common.sh"
demo=$(cd "$(dirname "$0")/../../../demo" && pwd)
[[ $# -ge 3 ]] || die "usage: record.sh PXEGO IMAGE.iso OUT [NAME ...]"
pxego=$(realpath "$1") image=$(realpath "$2") out=$3
shift 3
mkdir -p "$out"
# The addresses of the cards: that of a machine decides which address it gets.
machine=52:54:00:12:34:56 server=52:54:00:00:00:01 other=52:54:00:00:00:02

in_netns() { ip netns exec "golden-$1-$$" "${@:2}"; }

build() {
    local role
    for role in s o c; do ip netns add "golden-$role-$$"; done
    ip -n "golden-c-$$" link add br0 type bridge forward_delay 0
    for role in s o; do
        ip -n "golden-$role-$$" link add eth0 type veth peer name "to-$role" netns "golden-c-$$"
        ip -n "golden-c-$$" link set "to-$role" master br0 up
    done
    ip -n "golden-s-$$" link set eth0 address $server up
    ip -n "golden-o-$$" link set eth0 address $other up
    ip -n "golden-c-$$" tuntap add tap0 mode tap
    ip -n "golden-c-$$" link set tap0 master br0 up
    ip -n "golden-c-$$" link set br0 up
}

started=()
# In the background; the number that is kept is the program's own.
launch() {
    ip netns exec "golden-$1-$$" "${@:2}" &
    started+=($!)
}

cleanup() {
    [[ ${#started[@]} == 0 ]] || kill "${started[@]}" 2>/dev/null || true
    wait
    started=()
    local role
    for role in s o c; do ip netns del "golden-$role-$$" 2>/dev/null || true; done
}
trap cleanup EXIT

# Ends when the machine has what it needs to load its first file, or after that many seconds.
record() {
    local name=$1 seconds=$2 beside=$3
    shift 3
    say "$name"
    build
    local state log
    state=$(mktemp -d)
    log=$state/log
    if [[ $beside == beside ]]; then
        in_netns o ip addr add 192.168.7.1/24 dev eth0
        in_netns s ip addr add 192.168.7.2/24 dev eth0
        launch o dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root --no-ping \
            --dhcp-range=192.168.7.50,192.168.7.99,1h --dhcp-leasefile="$state/dnsmasq" --pid-file="$state/pid"
    fi
    launch s "$pxego" --iface eth0 --log json --iso "$image" --state "$state/pxego" >"$log"
    until grep -q '"event":"dhcp"' "$log"; do sleep 0.2; done
    # 67 and 4011 only: requests of other ports are none of this.
    launch s tcpdump -i eth0 -n -s 2048 -U --immediate-mode -Z root -Q in -w "$out/$name.pcap" \
        'udp and (dst port 67 or dst port 4011)'
    sleep 1
    launch c "$@" >/dev/null 2>&1
    local begun=$SECONDS
    until grep -qE '"event":"(loader|menu|done)"' "$log" || ((SECONDS - begun > seconds)); do sleep 0.5; done
    sleep 1
    cleanup
    rm -r "$state"
}

firmware=("$demo/machine.sh")
# As the machine: no other must have its address then.
udhcpc=(sh -c "ip link set br0 address $machine; exec timeout 3 busybox udhcpc -f -q -i br0 -s /bin/true")

for name in "${@:-}"; do
    case ${name:-all} in
        udhcpc | all) record udhcpc 3 alone "${udhcpc[@]}" ;;&
        ipxe | all) record ipxe 60 alone "${firmware[@]}" bios tap0 $machine ;;&
        ovmf | all) record ovmf 240 alone "${firmware[@]}" uefi tap0 $machine ;;&
        ipxe-beside-dnsmasq | all) record ipxe-beside-dnsmasq 60 beside "${firmware[@]}" bios tap0 $machine ;;&
        ovmf-beside-dnsmasq | all) record ovmf-beside-dnsmasq 240 beside "${firmware[@]}" uefi tap0 $machine ;;&
        udhcpc-beside-dnsmasq | all) record udhcpc-beside-dnsmasq 3 beside "${udhcpc[@]}" ;;&
    esac
done
