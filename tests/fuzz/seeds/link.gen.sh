#!/usr/bin/env bash
# Makes seeds/arp/* and seeds/ndp/*: packets of one machine as they stand in frames. seeds/ladder/* are texts of our own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$here"/{arp,ndp}

write() { # FILE DIGITS
    printf "$(sed 's/../\\x&/g' <<<"$2")" >"$1"
}
mac=525400123456 server=525400000001 everyone=ffffffffffff
padding=000000000000000000000000000000000000
arp() { # DESTINATION OPERATION SENDER SENDER_IP TARGET TARGET_IP (RFC 826)
    printf '%s%s0806000108000604000%s%s%s%s%s%s' "$1" "$3" "$2" "$3" "$4" "$5" "$6" "$padding"
}
nobody=000000000000 first=0a000001 second=0a000002
write "$here/arp/request" "$(arp $everyone 1 $mac $first $nobody $second)"
write "$here/arp/probe" "$(arp $everyone 1 $mac 00000000 $nobody $second)"
write "$here/arp/reply" "$(arp $server 2 $mac $second $server $first)"
write "$here/arp/group" "$(arp $everyone 1 335400123456 $first $nobody $second)"

icmp() { # SOURCE TYPE (RFC 4861 §4.1)
    printf '333300000002%s86dd6000000000103aff%s%s%s00123400000000%s%s' "$mac" "$1" \
        ff020000000000000000000000000002 "$2" 0101 "$mac"
}
link_local=fe80000000000000505400fffe123456
write "$here/ndp/solicitation" "$(icmp $link_local 85)"
write "$here/ndp/advertisement" "$(icmp $link_local 86)"
write "$here/ndp/no_address" "$(icmp 00000000000000000000000000000000 85)"
