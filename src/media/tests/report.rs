#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
use super::*;
use crate::media::tests::MemoryTree;
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
