//! The images of the boot lab are what they imitate: pxego recognises them and finds loaders, files and packages.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::sync::Arc;

use pxego::image::{FileTree, ImageFile, IsoImage};
use pxego::media::{GrubVerb, Medium, UefiKind, find_loaders, recognise};

fn open(layout: &str) -> IsoImage {
    let file = ImageFile::open(&lab::image(layout)).unwrap();
    IsoImage::open(Arc::new(file)).unwrap()
}

#[test]
fn every_layout_is_recognised() {
    for (layout, family, name, medium, stage2) in [
        ("el7", "el7", "CentOS Linux 7.9", Medium::Minimal, "LiveOS/squashfs.img"),
        ("el8", "el8plus", "CentOS Linux 8.5", Medium::Dvd, "images/install.img"),
        ("el9", "el8plus", "CentOS Stream 9", Medium::Dvd, "images/install.img"),
    ] {
        let image = open(layout);
        assert_eq!(image.warnings(), [], "{layout}");
        let media = recognise(&image, image.volume_id()).unwrap();
        assert_eq!(media.family.id, family, "{layout}: {:?}", media.evidence);
        assert!(media.arguments().starts_with("inst.ks={answer} inst.repo={repo} "), "{layout}");
        assert_eq!(media.name, format!("{name} {}", medium.word()), "{layout}: {:?}", media.evidence);
        assert_eq!(media.kernel(), "images/pxeboot/vmlinuz", "{layout}");
        assert_eq!(media.initrds(), ["images/pxeboot/initrd.img"], "{layout}");
        assert_eq!(media.stage2.as_deref(), Some(stage2), "{layout}");
        assert_eq!(media.grub_verb, GrubVerb::Linux, "{layout}: that of the GRUB on it");
        assert!(media.packages(), "{layout}");
    }
}

#[test]
fn every_layout_has_its_loaders() {
    for (layout, package) in [
        ("el7", "Packages/syslinux-6.04-1.el7.x86_64.rpm"),
        ("el8", "BaseOS/Packages/syslinux-nonlinux-6.04-5.el8.noarch.rpm"),
        ("el9", "AppStream/Packages/syslinux-tftpboot-6.04-0.20.el9.noarch.rpm"),
    ] {
        let loaders = find_loaders(&open(layout));
        assert!(loaders.missing.is_empty(), "{layout}: {:?}", loaders.missing);
        let bios = loaders.bios.unwrap();
        let sources: Vec<_> = bios.sources().map(pxego::media::BiosSource::path).collect();
        assert_eq!(sources, [package], "{layout}");
        let files = bios.extract().unwrap();
        assert!(files.contains_key("pxelinux.0") && files.contains_key("ldlinux.c32"), "{layout}");
        let uefi = &loaders.uefi[..];
        assert!(matches!(uefi, [only] if only.kind == UefiKind::Grub2), "{layout}: {uefi:?}");
        assert_eq!(uefi[0].shim.as_deref(), Some("EFI/BOOT/BOOTX64.EFI"), "{layout}");
    }
}

/// Otherwise the boot tests that look for it on the wire could not fail.
#[test]
fn the_images_own_configurations_are_marked() {
    for layout in ["el7", "el8", "el9"] {
        let image = open(layout);
        for path in ["EFI/BOOT/grub.cfg", "isolinux/isolinux.cfg"] {
            let bytes = image.file(path.as_bytes()).unwrap().data.read_all(1 << 16).unwrap();
            assert!(String::from_utf8(bytes).unwrap().contains(lab::MARKER), "{layout}: {path}");
        }
    }
}
