#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
use super::*;
use crate::media::tests::MemoryTree;
use crate::media::tests::loaders::packaged;
use crate::media::{find_loaders, recognise};

/// An EL9 DVD without a loader.
fn tree() -> MemoryTree {
    MemoryTree::of(&[
        "images/pxeboot/vmlinuz",
        "images/pxeboot/initrd.img",
        "images/install.img",
        "BaseOS/repodata/repomd.xml",
        "AppStream/repodata/repomd.xml",
        "BaseOS/Packages/rocky-release-9.4-1.7.el9.noarch.rpm",
    ])
}

fn report(tree: &MemoryTree, volume_id: &str) -> Report {
    let media = recognise(tree, volume_id).unwrap();
    Report::new(&media, &find_loaders(tree), &[])
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    let report = report(&tree(), "Rocky-9-4-x86_64-dvd");
    assert_eq!((report.product.as_str(), report.version.as_deref()), ("Rocky Linux", Some("9.4")));
    assert!(report.boots.is_empty() && report.known);
    assert_eq!(report.missing.len(), 2, "{:?}", report.missing);
    assert!(report.missing[0].contains("BIOS") && report.missing[0].contains("--loader bios=FILE"));
    assert!(report.missing[1].contains("UEFI x64") && report.missing[1].contains("--loader x64=FILE"));
    assert!(report.offers.iter().any(|offer| offer.kind == EntryKind::Install));
    assert_eq!(report.repositories, ["BaseOS", "AppStream"]);
}

#[test]
fn a_package_that_cannot_be_unpacked_is_missing_and_named() {
    let path = "AppStream/Packages/syslinux-tftpboot-6.04-1.noarch.rpm";
    let report = report(&tree().with(path, b"not a package"), "Rocky-9-4-x86_64-dvd");
    let told = report.missing.iter().find(|text| text.starts_with("PXELINUX")).unwrap();
    assert!(told.contains(path) && told.contains("--loader bios=FILE"), "{told}");
    assert!(!report.boots.iter().any(|boot| boot.firmware == Firmware::Bios));
}

#[test]
fn only_machines_that_the_image_is_for_are_missed() {
    for (volume_id, expected) in
        [("Rocky-9-4-aarch64-dvd", 1), ("Rocky-9-4-ppc64le-dvd", 0), ("CentOS 9 i386", 1)]
    {
        let report = report(&tree(), volume_id);
        assert_eq!(report.missing.len(), expected, "{}: {:?}", report.arch, report.missing);
    }
}

#[test]
fn what_is_said_of_an_unknown_image_is_said_once() {
    let menu =
        b"label one\nkernel /a/kernel\nappend root=/dev/sr0\nlabel two\nkernel /a/kernel\nappend boot=live\n";
    let tree = MemoryTree::of(&["a/kernel"]).with("isolinux/isolinux.cfg", menu);
    let report = report(&tree, "TOOLS");
    assert!(!report.known);
    let said = report.notes.iter().filter(|note| note.contains("not known")).count();
    assert_eq!(said, 1, "{:?}", report.notes);
    assert_eq!(report.evidence[0], "isolinux/isolinux.cfg: 2 entries with a kernel");
    for offer in report.offers.iter().filter(|offer| offer.kind != EntryKind::Local) {
        let note = offer.note.as_deref().unwrap_or_default();
        assert!(!note.contains("not known") && !note.starts_with([';', ' ']), "{note}");
    }
    assert!(
        report.offers.iter().any(|it| it.note.as_deref().is_some_and(|note| note.contains("in a drive")))
    );
}

#[test]
fn machines_that_have_to_forgo_secure_boot_are_told_of() {
    let ipxe = [Embedded::empty(Role::X64, "snponly.efi")];
    let report = |tree: &MemoryTree, built_in: &[Embedded]| {
        let media = recognise(tree, "Rocky-9-4-x86_64-dvd").unwrap();
        Report::new(&media, &find_loaders(tree), built_in)
    };
    let says = |report: &Report| report.notes.iter().any(|note| note.contains("Switch Secure Boot off"));
    assert!(says(&report(&tree(), &ipxe)));
    // Without any loader it is told that one is missing, and no more.
    assert!(!says(&report(&tree(), &[])));
    let signed = tree()
        .with("EFI/BOOT/BOOTX64.EFI", &packaged("usr/lib/shim/shimx64.efi.signed"))
        .with("EFI/BOOT/grubx64.efi", &packaged("usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"));
    let report = report(&signed, &ipxe);
    assert!(!says(&report) && report.boots.iter().any(|boot| boot.secure_boot.is_some()), "{report:#?}");
}

/// Linux before 3.3, as EL5 and EL6 have it, is no EFI program.
#[test]
fn a_kernel_that_uefi_does_not_start_is_told_of() {
    let ipxe = [Embedded::empty(Role::Bios, "undionly.kpxe"), Embedded::empty(Role::X64, "snponly.efi")];
    for (start, runs) in [(b"\xea\x05", false), (b"MZ", true)] {
        let mut kernel = vec![0; 0x206];
        kernel[..2].copy_from_slice(start);
        kernel[0x202..].copy_from_slice(b"HdrS");
        let tree = tree().with("images/pxeboot/vmlinuz", &kernel);
        let media = recognise(&tree, "Rocky-9-4-x86_64-dvd").unwrap();
        let report = Report::new(&media, &find_loaders(&tree), &ipxe);
        let is_told = report.notes.iter().any(|note| note.contains("On UEFI x64 machines it does not start"));
        let boots: Vec<Firmware> = report.boots.iter().map(|boot| boot.firmware).collect();
        assert_eq!((is_told, boots.contains(&Firmware::X64)), (!runs, runs), "{report:#?}");
        assert!(report.missing.is_empty() && boots.contains(&Firmware::Bios), "{report:#?}");
    }
}
