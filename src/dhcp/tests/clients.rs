//! DISCOVERs of real programs. Lists and their order are the programs' own; the source stands beside each.

use crate::wire::MacAddr;

use super::packet::Packet;

/// Makes the DISCOVER of a program on the card with an address.
pub(crate) type Recipe = fn(MacAddr) -> Packet;

/// PXE firmware that is told a file to fetch by TFTP.
pub(crate) const PXE_ROMS: [(&str, Recipe); 4] =
    [("BIOS ROM", bios_rom), ("OVMF PXE", ovmf_pxe), ("AAVMF PXE", aavmf_pxe), ("ia32 UEFI", ia32_pxe)];

/// iPXE and what came before it.
pub(crate) const IPXES: [(&str, Recipe); 3] =
    [("iPXE ROM", ipxe_rom), ("iPXE EFI", ipxe_efi), ("gPXELINUX", gpxelinux)];

/// Programs that say nothing about booting and have an address already, or want one.
pub(crate) const PLAIN: [(&str, Recipe); 6] = [
    ("GRUB", grub),
    ("dracut's dhclient", dhclient),
    ("NetworkManager", network_manager),
    ("systemd-networkd", networkd),
    ("udhcpc", udhcpc),
    ("Windows PE", windows_pe),
];

/// Everybody.
pub(crate) fn all() -> Vec<(&'static str, Recipe)> {
    let others: [(&str, Recipe); 4] = [
        ("OVMF HTTP Boot", ovmf_http),
        ("U-Boot", uboot),
        ("Raspberry Pi 3", raspberry_pi_3),
        ("Raspberry Pi 4", raspberry_pi_4),
    ];
    PXE_ROMS.into_iter().chain(IPXES).chain(PLAIN).chain(others).collect()
}

/// The UUID as option 97 has it: type 0 and sixteen bytes.
pub(crate) const UUID_OPTION: [u8; 17] =
    [0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];

/// The options of PXE 2.1 §2.2.1 that all firmware sends.
fn pxe(mac: MacAddr, class: &[u8], arch: u16, undi: [u8; 3]) -> Packet {
    Packet::discover(mac)
        .option(57, &1472u16.to_be_bytes())
        .option(97, &UUID_OPTION)
        .option(93, &arch.to_be_bytes())
        .option(94, &undi)
        .option(60, class)
}

/// An Intel Boot Agent: flags set, the list of PXE 2.1 table 2-1, 57 = 1260.
pub(crate) fn bios_rom(mac: MacAddr) -> Packet {
    let list: Vec<u8> =
        [1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67].into_iter().chain(128..=135).collect();
    pxe(mac, b"PXEClient:Arch:00000:UNDI:002001", 0, [1, 2, 1])
        .option(55, &list)
        .option(57, &1260u16.to_be_bytes())
        .flags(0x8000)
}

/// EDK2 (UefiPxeBcDxe/PxeBcDhcp4.c, `PxeBcBuildDhcp4Options`): 35 codes.
fn edk2_pxe(mac: MacAddr, class: &[u8], arch: u16) -> Packet {
    let list: Vec<u8> = [
        1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97,
    ]
    .into_iter()
    .chain(128..=135)
    .collect();
    pxe(mac, class, arch, [1, 3, 16]).option(55, &list).flags(0x8000)
}

pub(crate) fn ovmf_pxe(mac: MacAddr) -> Packet {
    edk2_pxe(mac, b"PXEClient:Arch:00007:UNDI:003016", 7)
}

pub(crate) fn aavmf_pxe(mac: MacAddr) -> Packet {
    edk2_pxe(mac, b"PXEClient:Arch:00011:UNDI:003016", 11)
}

pub(crate) fn ia32_pxe(mac: MacAddr) -> Packet {
    edk2_pxe(mac, b"PXEClient:Arch:00006:UNDI:003016", 6)
}

/// EDK2 (HttpBootDxe/HttpBootDhcp4.c, `HttpBootBuildDhcp4Options`): 27 codes.
pub(crate) fn ovmf_http(mac: MacAddr) -> Packet {
    let list = [
        1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97,
    ];
    pxe(mac, b"HTTPClient:Arch:00016:UNDI:003016", 16, [1, 3, 16]).option(55, &list).flags(0x8000)
}

/// iPXE (net/udp/dhcp.c, `dhcp_request_options_data` and `dhcp_create_request`).
fn ipxe(mac: MacAddr, class: &[u8], arch: u16, undi: [u8; 3], features: &[u8]) -> Packet {
    let list: Vec<u8> = [1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119]
        .into_iter()
        .chain(128..=135)
        .chain([175, 203])
        .collect();
    Packet::discover(mac)
        .option(57, &1472u16.to_be_bytes())
        .option(93, &arch.to_be_bytes())
        .option(94, &undi)
        .option(60, class)
        .option(77, b"iPXE")
        .option(55, &list)
        .option(175, features)
        .option(61, &[&[1], &mac.0[..]].concat())
        .option(97, &UUID_OPTION)
}

/// In the ROM of QEMU's cards: bus id, version, PXE, HTTP, DNS, TFTP, bzImage, ELF, menu.
pub(crate) fn ipxe_rom(mac: MacAddr) -> Packet {
    let features = [
        177, 5, 1, 0x1a, 0xf4, 0x10, 0, 235, 3, 1, 21, 1, 33, 1, 1, 19, 1, 1, 23, 1, 1, 21, 1, 1, 24, 1, 1,
        34, 1, 1, 39, 1, 1,
    ];
    ipxe(mac, b"PXEClient:Arch:00000:UNDI:002001", 0, [1, 2, 1], &features)
}

pub(crate) fn ipxe_efi(mac: MacAddr) -> Packet {
    ipxe(mac, b"PXEClient:Arch:00007:UNDI:003010", 7, [1, 3, 10], &[19, 1, 1, 23, 1, 1, 21, 1, 1, 36, 1, 1])
}

/// `gpxelinux.0`, PXELINUX on top of gPXE: the PXELINUX that does DHCP of its own. It asks for 208 to 211 (RFC 5071).
pub(crate) fn gpxelinux(mac: MacAddr) -> Packet {
    let list: Vec<u8> = [1, 3, 6, 7, 12, 15, 17, 43, 60, 66, 67]
        .into_iter()
        .chain(128..=135)
        .chain([175, 203])
        .chain(208..=211)
        .collect();
    ipxe(mac, b"PXEClient:Arch:00000:UNDI:002001", 0, [1, 2, 1], &[19, 1, 1, 24, 1, 1])
        .option(77, b"gPXE")
        .option(55, &list)
}

/// GRUB (grub-core/net/bootp.c): nothing but option 53.
pub(crate) fn grub(mac: MacAddr) -> Packet {
    Packet::discover(mac)
}

/// GRUB's REQUEST has a list, its DISCOVER has none.
pub(crate) const GRUB_REQUEST_LIST: [u8; 7] = [1, 3, 6, 15, 12, 17, 18];

/// dracut's network-legacy (modules.d/35network-legacy/dhclient.conf): client id from the hardware address.
pub(crate) fn dhclient(mac: MacAddr) -> Packet {
    Packet::discover(mac)
        .option(61, &[&[1], &mac.0[..]].concat())
        .option(55, &[1, 28, 2, 3, 15, 6, 12, 40, 41, 42, 26, 119, 121, 249, 33, 252, 17])
        .option(60, b"anaconda-Linux 5.14.0 x86_64")
}

/// NetworkManager in the installer's initrd (nm-initrd-generator: `dhcp-client-id=mac`).
pub(crate) fn network_manager(mac: MacAddr) -> Packet {
    Packet::discover(mac)
        .option(61, &[&[1], &mac.0[..]].concat())
        .option(55, &[1, 2, 6, 12, 15, 26, 28, 121, 3, 33, 40, 41, 42, 119, 249, 252, 17])
        .option(57, &576u16.to_be_bytes())
        .option(12, b"localhost")
}

/// systemd-networkd: IAID and DUID, random in every boot of a live image (RFC 4361).
pub(crate) fn networkd(mac: MacAddr) -> Packet {
    Packet::discover(mac)
        .option(61, b"\xff\x12\x34\x56\x78\x00\x02\x00\x00\xab\x11\x01\x02\x03\x04\x05\x06\x07\x08")
        .option(55, &[1, 3, 6, 12, 15, 26, 33, 42, 119, 120, 121])
        .option(57, &1472u16.to_be_bytes())
}

/// busybox's udhcpc (networking/udhcp/dhcpc.c).
pub(crate) fn udhcpc(mac: MacAddr) -> Packet {
    Packet::discover(mac)
        .option(61, &[&[1], &mac.0[..]].concat())
        .option(57, &576u16.to_be_bytes())
        .option(55, &[1, 3, 6, 12, 15, 28, 42])
        .option(60, b"udhcp 1.36.1")
}

pub(crate) fn windows_pe(mac: MacAddr) -> Packet {
    Packet::discover(mac)
        .option(61, &[&[1], &mac.0[..]].concat())
        .option(12, b"minint-4711")
        .option(60, b"MSFT 5.0")
        .option(55, &[1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 249, 252])
}

/// U-Boot (net/bootp.c, `dhcp_extended`): 57 = 576, interface 1.0.0.
pub(crate) fn uboot(mac: MacAddr) -> Packet {
    Packet::discover(mac)
        .option(57, &576u16.to_be_bytes())
        .option(93, &[0, 0x16])
        .option(94, &[1, 0, 0])
        .option(60, b"U-Boot.armv8")
        .option(55, &[1, 3, 6, 12, 17, 209, 210])
}

/// The ROM of the Pi 3: asks for few options, no size, and its UUID is one byte seventeen times but for the type.
pub(crate) fn raspberry_pi_3(mac: MacAddr) -> Packet {
    let mac = MacAddr([0xb8, 0x27, 0xeb, mac.0[3], mac.0[4], mac.0[5]]);
    let list: Vec<u8> = [43, 60, 66, 67].into_iter().chain(128..=135).collect();
    let mut uuid = [0x44; 17];
    uuid[0] = 0;
    pxe(mac, b"PXEClient:Arch:00000:UNDI:002001", 0, [1, 2, 1])
        .without(57)
        .option(55, &list)
        .option(97, &uuid)
}

/// The EEPROM of the Pi 4: `RPi4`, board revision, three bytes of the hardware address, serial number.
pub(crate) fn raspberry_pi_4(mac: MacAddr) -> Packet {
    let mac = MacAddr([0xdc, 0xa6, 0x32, mac.0[3], mac.0[4], mac.0[5]]);
    let list: Vec<u8> = [1, 3, 43, 60, 66, 67].into_iter().chain(128..=135).collect();
    let uuid = [&b"\0RPi4\x14\x31\xd0\x00"[..], &mac.0[3..], &[0x32, 0x10, 0xde, 0xad, 0xbe]].concat();
    pxe(mac, b"PXEClient:Arch:00000:UNDI:002001", 0, [1, 2, 1]).option(55, &list).option(97, &uuid)
}

/// A Macintosh looking for NetBoot: Apple's own protocol in an INFORM.
pub(crate) fn apple_bsdp(mac: MacAddr) -> Packet {
    Packet::discover(mac)
        .kind(8)
        .option(60, b"AAPLBSDPC/i386/iMac12,2")
        .option(43, &[1, 1, 1, 2, 2, 1, 0])
        .option(55, &[43, 60])
}
