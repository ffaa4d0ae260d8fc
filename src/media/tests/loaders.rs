//! Loaders on images, in real packages and as real files of this computer's distribution.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::MemoryTree;
use crate::image::FileTree;
use crate::media::{BiosSource, Signature, UefiArch, UefiKind, find_loaders};
use crate::package::testing::{Recipe, build, build_deb, syslinux_files};

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

pub(in crate::media) fn packaged(path: &str) -> Vec<u8> {
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

/// A FAT image of these files, as lorax makes it.
fn fat_image(files: &[(&str, &[u8])]) -> Vec<u8> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("pxego-fat-{}-{number}", std::process::id()));
    for (path, bytes) in files {
        let path = folder.join("files").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let image = folder.join("image");
    fs::File::create(&image).unwrap().set_len(6 << 20).unwrap();
    let run = |command: &mut Command| {
        let output =
            command.env("MTOOLS_SKIP_CHECK", "1").output().expect("mtools and dosfstools are installed");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("/usr/sbin/mkfs.fat").arg(&image));
    run(Command::new("mcopy")
        .arg("-i")
        .arg(&image)
        .args(["-s", "-Q"])
        .arg(folder.join("files/EFI"))
        .arg("::"));
    let bytes = fs::read(&image).unwrap();
    fs::remove_dir_all(folder).unwrap();
    bytes
}

fn signed_by(name: &str) -> Signature {
    Signature::By(name.to_owned())
}

/// Fedora CoreOS: shim and GRUB are nowhere but in the FAT image, in their vendor's directory.
#[test]
fn shim_and_grub_come_out_of_a_fat_image() {
    let shim = packaged("usr/lib/shim/shimx64.efi.signed");
    let grub = packaged("usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed");
    let image = fat_image(&[("EFI/fedora/shimx64.efi", &shim), ("EFI/fedora/grubx64.efi", &grub)]);
    let tree = MemoryTree::of(&["EFI/fedora/grub.cfg"]).with("images/EFIBOOT.IMG", &image);
    let found = find_loaders(&tree);
    let loader = &found.uefi[0];
    assert_eq!(
        (loader.first(), loader.grub.as_str()),
        ("loaders/x64/shimx64.efi", "loaders/x64/grubx64.efi")
    );
    assert_eq!(loader.origin, "images/EFIBOOT.IMG: EFI/fedora");
    assert!(loader.evidence.starts_with("images/EFIBOOT.IMG: EFI/fedora/shimx64.efi is shim"), "{loader:?}");
    assert_eq!(loader.signature, signed_by("Microsoft Corporation UEFI CA 2011"));
    assert_eq!(loader.grub_signature, signed_by("Debian Secure Boot CA"));

    assert!(tree.find(b"loaders/x64/shimx64.efi").is_none());
    let over = found.over(Arc::new(tree));
    let bytes = |path: &str| over.file(path.as_bytes()).map(|file| file.data.read_all(16 << 20).unwrap());
    assert!(bytes("loaders/x64/shimx64.efi") == Some(shim));
    // shim asks in its own spelling.
    let other = over.find_any_case(b"loaders/x64/GRUBX64.EFI");
    assert!(other.is_some() && bytes("loaders/x64/grubx64.efi") == Some(grub));
    assert!(bytes("loaders/x64/mmx64.efi").is_none());
    assert!(over.file(b"EFI/fedora/grub.cfg").is_some(), "the tree is below");
    let names: Vec<_> = over.list(b"loaders/x64").unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, [b"grubx64.efi".to_vec(), b"shimx64.efi".to_vec()]);
    assert!(over.list(b"").unwrap().iter().all(|entry| entry.name != b"loaders"));
}

/// A GRUB that another vendor signed is none for this shim; the next place is asked.
#[test]
fn a_chain_of_two_vendors_is_not_taken() {
    let shim = packaged("usr/lib/shim/shimx64.efi.signed");
    let grub = packaged("usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed");
    let mut other = shim.clone();
    let name = b"Debian Secure Boot CA";
    while let Some(at) = other.windows(name.len()).position(|window| window == name) {
        other[at..at + name.len()].copy_from_slice(b"Xebian Secure Boot CA");
    }
    let tree = MemoryTree::default().with("EFI/BOOT/BOOTX64.EFI", &other).with("EFI/BOOT/grubx64.efi", &grub);
    let found = find_loaders(&tree);
    assert!(found.uefi.is_empty());
    let reason =
        "EFI/BOOT/BOOTX64.EFI will not start EFI/BOOT/grubx64.efi: it is signed by Debian Secure Boot CA";
    assert!(found.missing.iter().any(|text| text.contains(reason)), "{:?}", found.missing);

    let image = fat_image(&[("EFI/BOOT/BOOTX64.EFI", &shim), ("EFI/BOOT/grubx64.efi", &grub)]);
    let found = find_loaders(&tree.with("boot/grub/efi.img", &image));
    assert_eq!(found.uefi[0].origin, "boot/grub/efi.img: EFI/BOOT");
}

/// Debian's and Ubuntu's discs boot a GRUB without network modules; the one that has them is in a package.
#[test]
fn a_grub_for_discs_gives_way_to_the_packages() {
    let shim = packaged("usr/lib/shim/shimx64.efi.signed");
    let for_discs = packaged("usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed");
    let disc =
        MemoryTree::default().with("EFI/boot/bootx64.efi", &shim).with("EFI/boot/grubx64.efi", &for_discs);
    let found = find_loaders(&disc);
    assert!(found.uefi.is_empty());
    let reason = "EFI/boot/grubx64.efi is GRUB for discs";
    assert!(found.missing.iter().any(|text| text.contains(reason)), "{:?}", found.missing);

    let file = |path: &str| (path.to_owned(), packaged(path));
    let shim_path = "usr/lib/shim/shimx64.efi.signed";
    let grub_path = "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
    let grub_package = build_deb("grub-efi-amd64-signed", "zstd", &[file(grub_path)]);
    let tree = disc
        .with(
            "pool/main/s/shim-signed/shim-signed_1.44_amd64.deb",
            &build_deb("shim-signed", "xz", &[file(shim_path)]),
        )
        .with("pool/main/g/grub-efi-amd64-signed/grub-efi-amd64-signed_1+2.06_amd64.deb", &grub_package);
    let found = find_loaders(&tree);
    let loader = &found.uefi[0];
    assert_eq!((loader.arch, loader.first()), (UefiArch::X64, "loaders/x64/bootx64.efi"));
    assert_eq!(loader.signature, Signature::NotUnpacked);
    assert!(loader.origin.contains("shim-signed_1.44_amd64.deb, pool/main/g/grub-efi"), "{}", loader.origin);
    assert_eq!(found.preparer()(UefiArch::X64), Ok(()));
    assert_eq!(found.signature(loader), signed_by("Microsoft Corporation UEFI CA 2011"));
    let over = found.over(Arc::new(tree));
    for (served, packed) in [("bootx64.efi", shim_path), ("grubx64.efi", grub_path)] {
        let file = over.file(format!("loaders/x64/{served}").as_bytes()).unwrap();
        assert!(file.data.read_all(16 << 20).unwrap() == packaged(packed), "{served}");
    }

    // Damaged: that is told when a machine asks, before it is offered anything.
    let damaged = MemoryTree::default()
        .with("pool/main/s/shim-signed/shim-signed_1.44_amd64.deb", b"cut off")
        .with("pool/main/g/grub-efi-amd64-signed/grub-efi-amd64-signed_1+2.06_amd64.deb", &grub_package);
    let error = find_loaders(&damaged).preparer()(UefiArch::X64).unwrap_err();
    assert!(error.why.contains("shim-signed_1.44_amd64.deb: damaged package: it ends inside"), "{error}");
    assert!(!error.may_pass);
}

/// Debian has the program and its modules in two packages of one version.
#[test]
fn pxelinux_comes_out_of_debian_packages() {
    let files = syslinux_files();
    let of = |place: &str, is_wanted: fn(&str) -> bool| -> Vec<(String, Vec<u8>)> {
        let wanted = only(&files, is_wanted).into_iter();
        wanted.map(|(name, bytes)| (format!("{place}/{name}"), bytes)).collect()
    };
    let program = of("usr/lib/PXELINUX", |name| name.ends_with(".0"));
    let modules = of("usr/lib/syslinux/modules/bios", |name| name.ends_with(".c32"));
    let pool = "pool/main/s/syslinux";
    let tree = MemoryTree::default()
        .with(&format!("{pool}/pxelinux_6.04~git1+dfsg1-3_all.deb"), &build_deb("pxelinux", "xz", &program));
    let error = find_loaders(&tree).bios.unwrap().extract().unwrap_err().to_string();
    assert!(error.contains("no ldlinux.c32 of the same build as pxelinux.0"), "{error}");
    let modules = build_deb("syslinux-common", "gzip", &modules);
    let tree = tree.with(&format!("{pool}/syslinux-common_6.04~git1+dfsg1-3_all.deb"), &modules);
    let found = find_loaders(&tree).bios.unwrap().extract().unwrap();
    for (name, bytes) in &files {
        assert!(found.get(name).is_some_and(|it| it[..] == bytes[..]), "{name}");
    }
}
