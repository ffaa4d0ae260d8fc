//! Loaders on images, in real packages and as real files of this computer's distribution.

use std::fs;
use std::path::{Path, PathBuf};

use super::MemoryTree;
use crate::media::{BiosSource, UefiArch, UefiKind, find_loaders};
use crate::package::testing::{Recipe, build, syslinux_files};

/// A syslinux package that holds `files` in `directory`.
fn package(
    name: &str,
    version: &str,
    payload: &str,
    directory: &str,
    files: &[(String, Vec<u8>)],
) -> Vec<u8> {
    let files: Vec<_> =
        files.iter().map(|(name, bytes)| (format!("{directory}/{name}"), bytes.clone())).collect();
    build(&Recipe { name, version, release: "1", payload, files: &files })
}

fn only(files: &[(String, Vec<u8>)], is_wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    files.iter().filter(|(name, _)| is_wanted(name)).cloned().collect()
}

#[test]
fn pxelinux_comes_out_of_the_package_that_has_it_all() {
    let files = syslinux_files();
    let rpm = package("syslinux-tftpboot", "6.04", "w3.zstdio", "tftpboot", &files);
    let tree = MemoryTree::of(&[
        "BaseOS/Packages/syslinux-6.04-1.x86_64.rpm",
        "AppStream/Packages/syslinux-perl-6.04-1.noarch.rpm",
    ])
    .with("AppStream/Packages/syslinux-tftpboot-6.04-1.noarch.rpm", &rpm);
    let loader = find_loaders(&tree).bios.unwrap();
    let sources: Vec<_> = loader.sources().cloned().collect();
    assert_eq!(
        sources,
        [
            BiosSource::Package("AppStream/Packages/syslinux-tftpboot-6.04-1.noarch.rpm".to_owned()),
            BiosSource::Package("BaseOS/Packages/syslinux-6.04-1.x86_64.rpm".to_owned()),
        ]
    );
    let found = loader.extract().unwrap();
    for name in ["pxelinux.0", "ldlinux.c32", "menu.c32", "libutil.c32", "vesamenu.c32", "libcom32.c32"] {
        let (_, expected) = files.iter().find(|(known, _)| known == name).unwrap();
        assert_eq!(&found[name][..], &expected[..], "{name}");
    }
    let again = loader.extract().unwrap();
    assert!(std::sync::Arc::ptr_eq(&again["pxelinux.0"], &found["pxelinux.0"]), "unpacked once");
}

#[test]
fn packages_of_one_build_complete_each_other() {
    let files = syslinux_files();
    let first = package(
        "syslinux-nonlinux",
        "6.04",
        "w2.xzdio",
        "usr/share/syslinux",
        &only(&files, |it| it == "pxelinux.0"),
    );
    let modules = |name: &str| name.ends_with(".c32") && name != "libcom32.c32";
    let second = package("syslinux", "6.04", "w9.gzdio", "usr/share/syslinux", &only(&files, modules));
    let tree = MemoryTree::default()
        .with("BaseOS/Packages/syslinux-nonlinux-6.04-1.noarch.rpm", &first)
        .with("BaseOS/Packages/syslinux-6.04-1.noarch.rpm", &second);
    let found = find_loaders(&tree).bios.unwrap().extract().unwrap();
    assert!(found.contains_key("pxelinux.0") && found.contains_key("ldlinux.c32"));
    // vesamenu.c32 needs libcom32.c32, menu.c32 does not (`readelf -d`).
    assert!(!found.contains_key("vesamenu.c32") && found.contains_key("menu.c32"), "{:?}", found.keys());

    // Of another build they do not.
    let tree = tree
        .without("BaseOS/Packages/syslinux-6.04-1.noarch.rpm")
        .with("BaseOS/Packages/syslinux-6.03-1.noarch.rpm", &second);
    let error = find_loaders(&tree).bios.unwrap().extract().unwrap_err();
    assert!(error.to_string().contains("no ldlinux.c32 of the same build as pxelinux.0 in BaseOS/Packages/syslinux-nonlinux-6.04-1.noarch.rpm, "), "{error}");
}

#[test]
fn syslinux_4_needs_nothing_beside() {
    // A banner of version 4, as EL6 and EL7 have it.
    let files = [
        ("pxelinux.0".to_owned(), b"....PXELINUX 4.05 2011-12-09 ....".to_vec()),
        ("menu.c32".to_owned(), b"com32".to_vec()),
        ("isolinux.bin".to_owned(), vec![1]),
    ];
    let rpm = package("syslinux", "4.05", "w2.xzdio", "usr/share/syslinux", &files);
    let tree = MemoryTree::default().with("Packages/syslinux-4.05-1.noarch.rpm", &rpm);
    let found = find_loaders(&tree).bios.unwrap().extract().unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["menu.c32", "pxelinux.0"]);
}

#[test]
fn plain_files_do_and_damaged_packages_are_passed_over() {
    let mut tree = MemoryTree::default().with("Packages/s/syslinux-tftpboot-6.04-1.noarch.rpm", b"cut off");
    let error = find_loaders(&tree).bios.unwrap().extract().unwrap_err();
    assert!(
        error.to_string().starts_with("Packages/s/syslinux-tftpboot-6.04-1.noarch.rpm: not an RPM package"),
        "{error}"
    );
    for (name, bytes) in syslinux_files() {
        tree = tree.with(&format!("BOOT/PXELINUX/{}", name.to_uppercase()), &bytes);
    }
    let loader = find_loaders(&tree).bios.unwrap();
    assert!(loader.sources().any(|source| *source == BiosSource::Directory("BOOT/PXELINUX".to_owned())));
    assert!(loader.extract().unwrap().contains_key("lpxelinux.0"));
}

/// A file of a distribution package: installed, or unpacked by `demo/setup.sh` where installing it would change what
/// this computer boots.
/// An evil image names one long file a thousand times.
#[test]
fn plain_files_together_are_limited() {
    let tree = ["b", "c", "d", "e"].iter().fold(MemoryTree::of(&["isolinux/pxelinux.0"]), |tree, name| {
        tree.with(&format!("isolinux/{name}.c32"), &vec![0; 15 << 20])
    });
    assert!(find_loaders(&tree).bios.unwrap().extract().is_ok());
    let tree = tree.with("isolinux/f.c32", &vec![0; 15 << 20]);
    assert!(find_loaders(&tree).bios.unwrap().extract().is_err());
}

fn packaged(path: &str) -> Vec<u8> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache"))).unwrap_or_default();
    let unpacked = cache.join("pxego-lab/packages");
    [unpacked.as_path(), Path::new("/")]
        .iter()
        .find_map(|root| fs::read(root.join(path)).ok())
        .unwrap_or_else(|| panic!("no {path}; install it with: demo/setup.sh test"))
}

#[test]
fn shim_and_grub_tell_themselves_apart() {
    let shim = packaged("usr/lib/shim/shimx64.efi.signed");
    let grub = packaged("usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed");
    let other = packaged("usr/lib/ipxe/ipxe.efi");

    let tree = MemoryTree::default().with("EFI/BOOT/BOOTX64.EFI", &shim).with("EFI/BOOT/grubx64.efi", &grub);
    let found = find_loaders(&tree);
    assert_eq!((found.uefi.len(), found.uefi[0].arch), (1, UefiArch::X64));
    assert_eq!(found.uefi[0].first(), "EFI/BOOT/BOOTX64.EFI");
    assert_eq!((found.uefi[0].grub.as_str(), found.uefi[0].kind), ("EFI/BOOT/grubx64.efi", UefiKind::Grub2));
    assert!(!found.uefi[0].speaks_http, "Debian's signed GRUB has no http");
    let http = packaged("usr/lib/grub/x86_64-efi/http.mod");
    let both = tree.with("EFI/BOOT/grubx64.efi", &[grub.as_slice(), &http].concat());
    assert!(find_loaders(&both).uefi[0].speaks_http);
    let late = both.with("EFI/BOOT/grubx64.efi", b"MZ efinet\0proxy offer receive\0");
    let found = find_loaders(&late);
    assert_eq!((found.uefi[0].speaks_http, found.uefi[0].knows_proxy), (false, true));
    assert!(found.uefi[0].evidence.contains("is shim: it names"), "{}", found.uefi[0].evidence);
    assert_eq!(found.missing.len(), 1, "BIOS: {:?}", found.missing);

    // GRUB as the default loader, with a copy under its own name.
    let tree = MemoryTree::default().with("efi/boot/bootx64.efi", &grub).with("efi/boot/grubx64.efi", &grub);
    let found = find_loaders(&tree);
    assert_eq!((found.uefi[0].shim.as_deref(), found.uefi[0].grub.as_str()), (None, "efi/boot/bootx64.efi"));
    assert_eq!(found.uefi[0].directory, "efi/boot");

    let cases: [(&[u8], &str); 2] =
        [(&shim, "grubx64.efi is not beside it"), (&other, "neither shim nor GRUB")];
    for (bytes, expected) in cases {
        let found = find_loaders(&MemoryTree::default().with("EFI/BOOT/BOOTX64.EFI", bytes));
        assert!(found.uefi.is_empty());
        assert!(found.missing.iter().any(|reason| reason.contains(expected)), "{:?}", found.missing);
    }
}

#[test]
fn other_efi_layouts() {
    // Stand-ins that tell nothing themselves: what stands beside them does.
    let el6 = MemoryTree::of(&["EFI/BOOT/BOOTX64.efi", "EFI/BOOT/BOOTX64.conf"]);
    let found = find_loaders(&el6).uefi;
    assert_eq!((found[0].kind, found[0].first()), (UefiKind::GrubLegacy, "EFI/BOOT/BOOTX64.efi"));

    let el7 = MemoryTree::of(&[
        "EFI/BOOT/BOOTX64.EFI",
        "EFI/BOOT/grubx64.efi",
        "EFI/BOOT/BOOTIA32.EFI",
        "EFI/BOOT/grubia32.efi",
        "EFI/BOOT/BOOTAA64.EFI",
        "EFI/BOOT/grubaa64.efi",
    ]);
    let found = find_loaders(&el7).uefi;
    let arches: Vec<_> = found.iter().map(|loader| (loader.arch, loader.shim.is_some())).collect();
    assert_eq!(arches, [(UefiArch::X64, true), (UefiArch::Aa64, true), (UefiArch::Ia32, true)]);

    let none = find_loaders(&MemoryTree::of(&["Packages/a-1-1.noarch.rpm"])).missing;
    assert_eq!(
        none,
        [
            "BIOS: no pxelinux.0 on the image, and no syslinux package in Packages",
            "UEFI: none of BOOTX64.EFI, BOOTAA64.EFI, BOOTIA32.EFI in EFI/BOOT",
        ]
    );
}
