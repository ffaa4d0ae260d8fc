#!/usr/bin/env bash
# Makes seeds/dhcp/*, seeds/dhcp_server/* and seeds/frame/*: messages as clients and servers send them, whole conversations,
# and the same in frames.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$here"/{dhcp,dhcp_server,frame}

# Everything is hexadecimal digits until it is written.
text() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }
zeros() { printf '%0*d' $(($1 * 2)) 0; }
option() { printf '%02x%02x%s' "$1" $((${#2} / 2)) "$2"; } # CODE DATA
fixed() { # FIELD LENGTH: padded with zeros
    printf '%s%s' "$1" "$(zeros $(($2 - ${#1} / 2)))"
}
write() { # FILE DIGITS
    printf "$(sed 's/../\\x&/g' <<<"$2")" >"$1"
}
mac=525400123456
cookie=63825363
# OP FLAGS CIADDR YIADDR SIADDR SNAME FILE REST
message() {
    printf '%s010600cafe0001%s%s%s%s%s00000000%s%s%s%s' \
        "$1" "0004" "$2" "$3" "$4" "$5" "$(fixed $mac 16)" "$(fixed "$6" 64)" "$(fixed "$7" 128)" "$8"
}
none=00000000
discover() { message 01 8000 $none $none $none "" "" "$cookie$1"; }

pxe=$(option 53 01)$(option 57 05c0)$(option 55 0103060c0d0f111216171c28292a2b3233363a3b3c4243618081828384858687)
pxe+=$(option 97 00$(zeros 4)000102030405060708090a0b)$(option 93 0007)$(option 94 010310)
pxe+=$(option 60 "$(text PXEClient:Arch:00007:UNDI:003016)")
ipxe=$(option 53 03)$(option 50 c0a86464)$(option 54 c0a86401)$(option 57 05c0)$(option 93 0000)$(option 94 010201)
ipxe+=$(option 60 "$(text PXEClient:Arch:00000:UNDI:002001)")$(option 77 "$(text iPXE)")
ipxe+=$(option 175 b105018086100e1301011801012101011001022201011301011701011501011901012901)
udhcpc=$(option 53 01)$(option 61 01$mac)$(option 57 0240)$(option 55 0103060c0f1c2a)$(option 60 "$(text "udhcp 1.36.1")")
udhcpc+=$(option 12 "$(text bench)")
boot_item=$(option 53 03)$(option 43 47048001000aff)$(option 60 "$(text PXEClient)")$(option 93 0000)
relayed=$(option 53 01)$(option 82 "$(option 1 "$(text eth0)")$(option 2 000102)")$(option 12 "$(text behind)")
ack=$(option 53 05)$(option 54 c0a86401)$(option 51 00015180)$(option 1 ffffff00)$(option 60 "$(text PXEClient)")00
ack+=$(option 43 060108ff)$(option 67 "$(text pxelinux.0)")00$(option 66 "$(text 192.168.100.1)")
declare -A messages=(
    [uefi_discover]=$(discover "${pxe}ff$(zeros 60)")
    [ipxe_request]=$(discover "${ipxe}ff")
    [udhcpc]=$(discover "${udhcpc}ff$(zeros 30)")
    [boot_item]=$(discover "$boot_item")
    [relayed]=$(discover "${relayed}ff")
    [halves]=$(discover "$(option 53 01)$(option 77 "$(text iP)")$(option 12 "$(text a)")$(option 77 "$(text XE)")ff")
    [bootp]=$(message 01 0000 $none $none $none "" "$(text pxelinux.0)" "")
    [overload]=$(message 02 0000 $none c0a86464 c0a86401 "$(option 12 "$(text sname)")ff" \
        "$(option 67 "$(text grubx64.efi)")ff" "$cookie$(option 52 03)$(option 53 02)ff")
    [ack]=$(message 02 0000 $none c0a86464 c0a86401 "" "$(text pxelinux.0)" "$cookie${ack}ff")
    [menu]=$(message 02 0000 $none $none c0a86401 "" "" "$cookie$(option 53 02)$(option 43 \
        060103$(option 8 800101c0a86401)$(option 9 800104$(text demo))$(option 10 00$(text PXE))ff)ff")
    [infiniband]=$(message 01 8000 $none $none $none "" "" "$cookie$(option 53 01)$(option 61 ff00000001)ff" |
        sed 's/^010106/012000/')
)

# The one's complement sum of 16-bit words (RFC 1071).
checksum() {
    local sum=0 word
    for word in $(sed 's/..../& /g' <<<"$1"); do sum=$((sum + 0x$word)); done
    while ((sum > 0xffff)); do sum=$(((sum & 0xffff) + (sum >> 16))); done
    printf %04x $((sum ^ 0xffff))
}
frame() { # MESSAGE: from a client without an address, without a UDP checksum
    local len=$((${#1} / 2)) before after
    before=4500$(printf %04x $((len + 28)))000100004011
    after=00000000ffffffff
    printf 'ffffffffffff%s0800%s%s%s00440043%04x0000%s' \
        $mac "$before" "$(checksum "$before$after")" "$after" $((len + 8)) "$1"
}
for name in "${!messages[@]}"; do
    write "$here/dhcp/$name" "${messages[$name]}"
done
write "$here/frame/discover" "$(frame "${messages[udhcpc]}")"
write "$here/frame/short" "$(frame 0102)$(zeros 16)"
write "$here/frame/vlan" "$(frame 0102 | sed 's/^\(.\{24\}\)/\181000001/')"
write "$here/frame/arp" "ffffffffffff${mac}080600010800060400015254001234560a0000010000000000000a000002$(zeros 18)"

# HOW and WHO: see checks/dhcp_server.rs.
said() { # HOW WHO MESSAGE
    printf '%02x%02x%04x%s' "$1" "$2" $((${#3} / 2)) "$3"
}
request() { discover "$(option 53 03)$(option 50 "$1")$(option 54 c0a86401)ff"; } # ADDRESS
held() { # TYPE ADDRESS
    message 01 0000 "$2" $none $none "" "" "$cookie$(option 53 "$1")$(option 54 c0a86401)ff"
}
everyone=
for who in 0 1 2 3 4 5; do
    everyone+=$(said 0 $who "${messages[udhcpc]}")$(said 0 $who "$(request c0a8646$((4 + who)))")
done
decline=$(discover "$(option 53 04)$(option 50 c0a86464)$(option 54 c0a86401)ff")
inform=$(message 01 0000 c0a86465 $none $none "" "" "$cookie$(option 53 08)ff")
write "$here/dhcp_server/everyone" "00$everyone"
write "$here/dhcp_server/firmware" "01$(said 0 0 "${messages[uefi_discover]}")$(said 0 0 "${messages[ipxe_request]}")$(
    said 15 0 "${messages[boot_item]}")$(said 0 1 "${messages[bootp]}")$(said 0 2 "${messages[relayed]}")"
write "$here/dhcp_server/back_and_forth" "00$(said 0 0 "${messages[udhcpc]}")$(said 0 0 "$(request c0a86464)")$(
    said 5 0 "$(held 07 c0a86464)")$(said 0 1 "$(request c0a86464)")$(said 0 1 "$decline")$(
    said 1 0 "$(held 03 c0a86464)")$(said 21 1 "$inform")"
