# Chooses where to install, by the rule: @RULE@
# Reads disks and writes to none. Where no disk fits, the machine stays here.
pxego_report=''
out=/tmp/pxego-disk.ks
seen=
chosen=
first=
best=
count=0
rm -f $out

tell() {
    for tty in /dev/console /dev/tty1 /dev/tty3 /dev/tty6; do
        [ -c $tty ] && { echo "$1" >$tty; } 2>/dev/null
    done
    return 0
}

report() {
    [ -n "$pxego_report" ] || return 0
    echo "$1" >/tmp/pxego-refusal
    curl -s -f -m 10 -H Expect: -o /dev/null --data-binary @/tmp/pxego-refusal "$pxego_report" 2>/dev/null ||
        wget -q -O /dev/null --post-file=/tmp/pxego-refusal "$pxego_report" 2>/dev/null ||
        python -c 'import sys,urllib;urllib.urlopen(sys.argv[1],open(sys.argv[2]).read()).read()' \
            "$pxego_report" /tmp/pxego-refusal 2>/dev/null
    return 0
}

stop() {
    text="pxego: no disk was touched and nothing is installed: $1. Disks:$seen"
    report "$text"
    { chvt 6; } 2>/dev/null
    while :; do
        tell "$text"
        sleep 60
    done
}

# zeros FIRST: whether the MiB from this sector on can be read and is all zeros.
zeros() {
    [ "$(dd if="$node" bs=512 skip="$1" count=2048 2>/dev/null | wc -c)" -eq 1048576 ] &&
        [ "$(dd if="$node" bs=512 skip="$1" count=2048 2>/dev/null | tr -d '\000' | wc -c)" -eq 0 ]
}

# Partition tables, file systems, LVM, RAID and encryption all mark the first or the last MiB.
blank() {
    for part in "$path/$name"*; do
        if [ -e "$part/start" ] || [ -e "$part/partition" ]; then
            why="has partitions"
            return
        fi
    done
    if [ "$size" -lt 4096 ]; then
        why="is too small"
    elif ! zeros 0; then
        why="is not blank: there is something in its first MiB"
    elif ! zeros $((size - 2048)); then
        why="is not blank: there is something in its last MiB"
    fi
}

in_use() {
    while read -r what rest; do
        case $what in
        /dev/$dev | /dev/$dev[0-9]* | /dev/${dev}p[0-9]*) return 0 ;;
        esac
    done <"$1"
    return 1
}

# Links that udev makes: whether one of them leads to the disk.
by_id() {
    for link in /dev/disk/by-*/*; do
        [ -L "$link" ] || continue
        target=$(readlink "$link")
        [ "${target##*/}" = "${dev##*/}" ] || continue
        case ${link##*/} in
        $1) return 0 ;;
        esac
    done
    return 1
}

fact() {
    { tr -cd '\040-\176' <"$1" | sed 's/^ *//; s/ *$//'; } 2>/dev/null
}

for path in /sys/block/*; do
    [ -e "$path/size" ] || continue
    name=${path##*/}
    case $name in
    loop* | ram* | zram* | sr* | scd* | fd* | dm-* | md* | nbd* | mtd* | mmcblk*boot* | mmcblk*rpmb) continue ;;
    *[!A-Za-z0-9!_-]*) continue ;;
    esac
    why=
    dev=$(echo "$name" | tr '!' /)
    read -r size <"$path/size"
    mib=$((size / 2048))
    place=$(cd -P "$path/device" 2>/dev/null && pwd -P)
    case $place in
    */usb[0-9]*) transport=usb ;;
    */fw[0-9]*) transport=firewire ;;
    */mmc[0-9]*) transport=mmc ;;
    */nvme*) transport=nvme ;;
    */ata[0-9]*) transport=sata ;;
    */end_device-*) transport=sas ;;
    */virtio*) transport=virtio ;;
    *) transport=scsi ;;
    esac
    node=/dev/$dev
    if [ ! -b "$node" ]; then
        node=/tmp/pxego-node
        IFS=: read -r major minor <"$path/dev"
        rm -f $node
        mknod $node b "$major" "$minor" 2>/dev/null
    fi
    set -- "$path/holders/"*
    if [ "$size" -le 0 ]; then
        why="has no medium"
    elif [ "$(fact "$path/removable")" != 0 ]; then
        why="is removable"
    elif [ $transport = usb ] || [ $transport = firewire ]; then
        why="is an external disk"
    elif [ "$(fact "$path/device/type")" = SD ]; then
        why="is a memory card"
    elif [ "$(fact "$path/ro")" = 1 ]; then
        why="cannot be written"
    elif in_use /proc/mounts || in_use /proc/swaps; then
        why="is in use: the installer came from it"
    elif [ -e "$1" ]; then
        why="is a part of ${1##*/}"
    fi
@TERMS@
    if [ -n "$why" ]; then
        seen="$seen $dev ($mib MiB) $why;"
        continue
    fi
    seen="$seen $dev ($mib MiB) fits;"
    count=$((count + 1))
@PICK@
done
rm -f /tmp/pxego-node
[ -n "$chosen" ] || stop 'no disk fits the rule '@RULE_WORD@
@ONLY@
{
@STORAGE@
} >$out
tell "pxego: installing on $chosen"
