//! Who is told to load what, through the whole of it: a client's bytes, the real selection, our bytes
//! (IANA's "Processor Architecture Types", RFC 4578 §2.1).

use std::collections::BTreeMap;

use crate::boot::arch::Arch;
use crate::boot::boot_file::{BootFile, NoBoot};
use crate::boot::client::{Client, OWN_USER_CLASS};
use crate::boot::plan::tests::site;
use crate::boot::select::{self, FirstPrograms};

use super::clients;
use super::lab::{Lab, Sent, mac};
use super::packet::Packet;

/// A BIOS loader and a shim on the image; the rest built in, but nothing for 32-bit RISC-V.
fn selected(client: &Client) -> BootFile {
    let named = |programs: &[(Arch, &str)]| -> BTreeMap<Arch, String> {
        programs.iter().map(|&(arch, name)| (arch, name.to_owned())).collect()
    };
    let programs = FirstPrograms {
        image: named(&[(Arch::Bios, "pxelinux.0"), (Arch::X64Uefi, "EFI/BOOT/BOOTX64.EFI")]),
        built_in: named(&[
            (Arch::Bios, "undionly.kpxe"),
            (Arch::X64Uefi, "snponly.efi"),
            (Arch::Ia32Uefi, "snponly-ia32.efi"),
            (Arch::Arm32Uefi, "snponly-arm32.efi"),
            (Arch::Arm64Uefi, "snponly-arm64.efi"),
            (Arch::RiscV64Uefi, "snponly-riscv64.efi"),
            (Arch::LoongArch64Uefi, "snponly-loong64.efi"),
        ]),
        speaks_http: [Arch::X64Uefi].into(),
        ..FirstPrograms::default()
    };
    select::boot_file(&site(8080), &programs, client)
}

fn offer(packet: &Packet) -> Sent {
    Lab { boot: selected, ..Lab::new() }.offer(packet)
}

/// PXE or HTTP firmware of an architecture.
fn firmware(class: &str, arch: u16) -> Packet {
    let recipe = if class == "HTTPClient" { clients::ovmf_http } else { clients::ovmf_pxe };
    let class = format!("{class}:Arch:{arch:05}:UNDI:003016");
    recipe(mac(1)).option(60, class.as_bytes()).option(93, &arch.to_be_bytes())
}

#[test]
fn a01_a03_a04_a05_a07_a08_a11_pxe_firmware_is_named_the_file_of_its_architecture() {
    let files = [
        (0, "pxelinux.0"),
        (6, "snponly-ia32.efi"),
        (7, "EFI/BOOT/BOOTX64.EFI"),
        (9, "EFI/BOOT/BOOTX64.EFI"),
        (10, "snponly-arm32.efi"),
        (11, "snponly-arm64.efi"),
        (27, "snponly-riscv64.efi"),
        (39, "snponly-loong64.efi"),
    ];
    for (arch, file) in files {
        let sent = offer(&firmware("PXEClient", arch));
        assert_eq!(sent.message.file_name(), file, "{arch}");
        assert_eq!(sent.message.text(67), Some(format!("{file}\0")), "{arch}");
    }
}

#[test]
fn a06_a11_a13_without_a_loader_there_is_an_address_and_a_reason() {
    for arch in [1, 2, 3, 4, 5, 8, 12, 25, 29, 31, 33, 37, 42, 4711] {
        let sent = offer(&firmware("PXEClient", arch));
        assert_eq!(sent.boot_file, BootFile::None(NoBoot::NoLoader(Some(Arch::from_code(arch)))), "{arch}");
        assert!(!sent.message.yiaddr.is_unspecified(), "{arch}");
        assert!([43, 60, 66, 67].iter().all(|&code| sent.message.option(code).is_none()), "{arch}");
    }
}

#[test]
fn a09_a10_h01_h02_h04_http_boot_is_named_the_url_of_its_architecture() {
    let files = [
        (15, "snponly-ia32.efi"),
        (16, "EFI/BOOT/BOOTX64.EFI"),
        (17, "EFI/BOOT/BOOTX64.EFI"),
        (18, "snponly-arm32.efi"),
        (19, "snponly-arm64.efi"),
    ];
    for (arch, file) in files {
        let sent = offer(&firmware("HTTPClient", arch));
        assert_eq!(sent.message.option(60), Some(&b"HTTPClient"[..]), "{arch}");
        let url = sent.message.text(67).expect("a URL");
        let url = url.strip_suffix('\0').expect("its NUL");
        assert_eq!(url, format!("http://192.168.100.1:8080/{file}"), "{arch}");
        assert!(!url.contains('?') && url.to_ascii_lowercase().ends_with(".efi"), "{arch}");
    }
}

#[test]
fn a14_option_93_goes_before_the_class() {
    let sent = offer(&firmware("PXEClient", 9).option(93, &[0, 6]));
    assert_eq!(sent.message.file_name(), "snponly-ia32.efi");
}

#[test]
fn p30_ipxe_is_given_the_script_and_never_an_ipxe() {
    let ways: [fn(Packet) -> Packet; 5] = [
        |packet| packet.option(77, b"iPXE").option(175, &[19, 1, 1, 24, 1, 1]),
        |packet| packet.option(77, b"\x04iPXE").option(175, &[19, 1, 1, 24, 1, 1]),
        |packet| packet.option(77, b"ipxe").option(175, &[19, 1, 1, 36, 1, 1]),
        |packet| packet.without(77).option(175, &[19, 1, 1, 24, 1, 1]),
        |packet| packet.option(77, b"gPXE").option(175, &[19, 1, 1, 24, 1, 1]),
    ];
    for way in ways {
        let sent = offer(&way(clients::ipxe_rom(mac(1))));
        assert_eq!(sent.message.file_name(), "http://192.168.100.1:8080/boot.ipxe");
    }
}

#[test]
fn p31_our_own_ipxe_is_never_given_an_ipxe_whatever_it_can_do() {
    for features in [&[19, 1, 1, 24, 1, 1][..], &[21, 1, 1], &[]] {
        for recipe in [clients::ipxe_rom, clients::ipxe_efi] {
            let ours = recipe(mac(1)).option(77, OWN_USER_CLASS.as_bytes()).option(175, features);
            assert_eq!(offer(&ours).message.file_name(), "http://192.168.100.1:8080/boot.ipxe");
        }
    }
}

#[test]
fn p32_an_ipxe_that_cannot_boot_linux_over_http_is_given_a_file() {
    for features in [&[21, 1, 1, 19, 1, 1][..], &[24, 1, 1], &[19, 1, 0, 24, 1, 1]] {
        let sent = offer(&clients::ipxe_rom(mac(1)).option(175, features));
        assert_eq!(sent.message.file_name(), "pxelinux.0");
    }
}
