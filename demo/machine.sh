#!/usr/bin/env bash
# Switches a virtual machine on that boots from the network: demo/machine.sh FIRMWARE TAP MAC [TAP MAC ...]
#
# FIRMWARE is bios, uefi, uefi-sb (Secure Boot), uefi-http, uefi-http-sb (UEFI HTTP Boot and nothing else), arm64,
# arm64-http or uboot (64-bit Arm). Each TAP MAC is a network card; it boots from the last one.
#
# Runs in the foreground until the machine switches itself off; its serial console is the standard output. It is
# emulated in software (TCG): no KVM, no rights but to the tap interface. It has no disk, but for those that PXEGO_LAB_DISKS
# names: raw images, with colons between, which come after the network in its boot order. PXEGO_LAB_MONITOR names a socket
# that takes QEMU's commands, such as `sendkey ret`.
set -euo pipefail
. "$(dirname "$0")/common.sh"
usage="usage: demo/machine.sh bios|uefi|uefi-sb|uefi-http|uefi-http-sb|arm64|arm64-http|uboot TAP MAC [TAP MAC ...]"
[[ $# -ge 3 && $(($# % 2)) == 1 ]] || die "$usage"
firmware=$1
shift

# shellcheck disable=SC2054 # QEMU's commas
arguments=(
    -name "pxego-lab-$firmware" -accel tcg -smp 1 -m 1024 -nodefaults -no-reboot -no-user-config
    -display none -chardev file,id=console,path=/dev/stdout -serial chardev:console
    # Newer OVMF has no network without random numbers.
    -object rng-random,id=random,filename=/dev/urandom -device virtio-rng-pci,rng=random
)

# Firmware in flash: flash CODE VARIABLES. What it writes is gone when it is off.
flash() {
    arguments+=(
        -drive "if=pflash,unit=0,format=raw,readonly=on,file=$1"
        -drive "if=pflash,unit=1,format=raw,snapshot=on,file=$2"
        -fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n
    )
}

# UEFI has its own driver for this card; the ROM would bring iPXE's.
rom=,romfile=
qemu=qemu-system-x86_64
case $firmware in
    bios)
        # SeaBIOS, and iPXE in the ROM of the network card.
        arguments+=(-machine pc -vga std -boot n)
        rom=
        ;;
    uefi | uefi-http)
        arguments+=(-machine q35 -vga std)
        flash "$(file_of /usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/OVMF/OVMF_CODE.fd)" \
            "$(file_of /usr/share/OVMF/OVMF_VARS_4M.fd /usr/share/OVMF/OVMF_VARS.fd)"
        ;;
    uefi-sb | uefi-http-sb)
        arguments+=(-machine q35,smm=on -vga std -global driver=cfi.pflash01,property=secure,value=on)
        # Microsoft's keys are enrolled in these, and Secure Boot is on.
        flash "$(file_of /usr/share/OVMF/OVMF_CODE_4M.secboot.fd /usr/share/OVMF/OVMF_CODE.secboot.fd)" \
            "$(file_of /usr/share/OVMF/OVMF_VARS_4M.ms.fd /usr/share/OVMF/OVMF_VARS.ms.fd)"
        ;;
    arm64 | arm64-http)
        qemu=qemu-system-aarch64
        arguments+=(-machine virt -cpu cortex-a57)
        flash "$(file_of /usr/share/AAVMF/AAVMF_CODE.fd /usr/share/AAVMF/AAVMF_CODE.no-secboot.fd)" \
            "$(file_of /usr/share/AAVMF/AAVMF_VARS.fd)"
        ;;
    uboot)
        qemu=qemu-system-aarch64
        arguments+=(-machine virt -cpu cortex-a57 -bios "$(file_of /usr/lib/u-boot/qemu_arm64/u-boot.bin)")
        ;;
    *) die "$usage" ;;
esac
if [[ $firmware == *-http* ]]; then
    arguments+=(-fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=n)
fi
while [[ $# -gt 0 ]]; do
    # Only the last card is in the boot order.
    index=
    [[ $# == 2 ]] && index=,bootindex=0
    arguments+=(
        -netdev "tap,id=$1,ifname=$1,script=no,downscript=no"
        -device "virtio-net-pci,netdev=$1,mac=$2$index$rom"
    )
    shift 2
done
IFS=: read -ra disks <<<"${PXEGO_LAB_DISKS-}"
for number in "${!disks[@]}"; do
    arguments+=(
        -drive "if=none,id=disk$number,format=raw,file=${disks[number]}"
        -device "virtio-blk-pci,drive=disk$number,bootindex=$((number + 1))"
    )
done
[[ -z ${PXEGO_LAB_MONITOR-} ]] || arguments+=(-monitor "unix:$PXEGO_LAB_MONITOR,server=on,wait=off")
exec "$qemu" "${arguments[@]}" </dev/null
