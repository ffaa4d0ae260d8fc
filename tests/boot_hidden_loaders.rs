//! Real firmware in QEMU boots from images that hide their loaders: shim and GRUB in a FAT image alone, as Fedora CoreOS has
//! them; PXELINUX in Debian packages alone. And from loaders that the user gives. Needs root, and what
//! `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/trial.rs"]
mod trial;
#[path = "common/wire.rs"]
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Firmware, Pxego, image, scratch};
use netns::{Bench, run};
use serde_json::Value;
use trial::{Setup, fetched, of};
use wire::{bridge, without_ipxe_options};

/// Makes another image of a layout: without the paths that `removed` names, and with the files of `added` at their paths.
fn remastered(layout: &str, removed: &[&str], added: &[(&Path, &str)], to: &Path) {
    let mut xorriso = Command::new("xorriso");
    xorriso.arg("-indev").arg(image(layout)).arg("-outdev").arg(to).args(["-boot_image", "any", "discard"]);
    for path in removed {
        xorriso.args(["-rm_r", path, "--"]);
    }
    for (file, path) in added {
        xorriso.arg("-map").arg(file).arg(path);
    }
    run(&mut xorriso);
}

/// What an image has below `path`, unpacked into a folder.
fn unpacked(layout: &str, path: &str, to: &Path) -> PathBuf {
    run(Command::new("osirrox").arg("-indev").arg(image(layout)).args(["-extract", path]).arg(to));
    to.to_owned()
}

/// An EFI boot image with these programs in `EFI/BOOT`, as lorax makes it.
fn efi_boot_image(programs: &Path, to: &Path) {
    let folder = to.with_extension("tree");
    fs::create_dir_all(folder.join("EFI/BOOT")).unwrap();
    for entry in fs::read_dir(programs).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), folder.join("EFI/BOOT").join(entry.file_name())).unwrap();
    }
    fs::File::create(to).unwrap().set_len(10 << 20).unwrap();
    run(Command::new("/usr/sbin/mkfs.fat").args(["-n", "EFIBOOT"]).arg(to));
    let mut mcopy = Command::new("mcopy");
    mcopy.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(to).args(["-s", "-Q"]).arg(folder.join("EFI"));
    run(mcopy.arg("::"));
}

fn check(events: &[Value]) {
    for bad in ["broken", "refused", "nothing-to-boot", "warning"] {
        assert!(of(events, bad).is_empty(), "{bad}: {events:#?}");
    }
}

/// Secure Boot is on: what comes out of the FAT image is what was signed.
#[test]
fn uefi_boots_what_is_in_a_fat_image_alone() {
    let folder = scratch("hidden-uefi-image");
    let programs = unpacked("el9", "/EFI/BOOT", &folder.join("programs"));
    fs::remove_file(programs.join("grub.cfg")).unwrap();
    efi_boot_image(&programs, &folder.join("efiboot.img"));
    let iso = folder.join("hidden.iso");
    remastered("el9", &["/EFI"], &[(&folder.join("efiboot.img"), "/images/efiboot.img")], &iso);

    let mut setup = Setup::new(Firmware::UefiSecureBoot, "el9");
    setup.image = Some(&iso);
    let mut trial = setup.start("hidden_uefi");
    let events = trial.until_kernel();
    check(&events);
    let loaders = fetched(&events, "loader");
    for name in ["loaders/x64/bootx64.efi", "loaders/x64/grubx64.efi"] {
        assert!(loaders.contains(&format!("tftp {name}")), "no {name} in {loaders:?}");
    }
    trial.end();
    fs::remove_dir_all(folder).unwrap();
}

fn hides_ipxe(frame: &mut [u8]) -> bool {
    without_ipxe_options(frame);
    true
}

fn passes(_: &mut [u8]) -> bool {
    true
}

/// A Debian package of files of this computer.
fn debian_package(name: &str, place: &str, files: &[PathBuf], to: &Path) -> PathBuf {
    let root = to.join(name);
    fs::create_dir_all(root.join(place)).unwrap();
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    for file in files {
        fs::copy(file, root.join(place).join(file.file_name().unwrap())).unwrap();
    }
    let control = format!(
        "Package: {name}\nVersion: 3:6.04-3\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n\
         Description: a package of the boot lab\n"
    );
    fs::write(root.join("DEBIAN/control"), control).unwrap();
    let package = to.join(format!("{name}_6.04-3_all.deb"));
    run(Command::new("dpkg-deb").args(["--root-owner-group", "-Zxz", "--build"]).arg(&root).arg(&package));
    package
}

/// The files of a folder whose names end so.
fn files_in(folder: &str, end: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_str().is_some_and(|path| path.ends_with(end))).collect()
}

#[test]
fn bios_boots_what_is_in_debian_packages_alone() {
    let folder = scratch("hidden-bios-image");
    let program =
        debian_package("pxelinux", "usr/lib/PXELINUX", &files_in("/usr/lib/PXELINUX", ".0"), &folder);
    let modules = files_in("/usr/lib/syslinux/modules/bios", ".c32");
    let modules = debian_package("syslinux-common", "usr/lib/syslinux/modules/bios", &modules, &folder);
    let iso = folder.join("hidden.iso");
    let pool = "/pool/main/s/syslinux";
    let added = [
        (program.as_path(), format!("{pool}/pxelinux_6.04-3_all.deb")),
        (modules.as_path(), format!("{pool}/syslinux-common_6.04-3_all.deb")),
    ];
    let added: Vec<_> = added.iter().map(|(file, path)| (*file, path.as_str())).collect();
    let rpm = "/AppStream/Packages/syslinux-tftpboot-6.04-0.20.el9.noarch.rpm";
    remastered("el9", &[rpm], &added, &iso);

    let mut setup = Setup::new(Firmware::Bios, "el9");
    setup.image = Some(&iso);
    setup.wire = Some((hides_ipxe, passes));
    let mut trial = setup.start("hidden_bios");
    let events = trial.until_kernel();
    check(&events);
    let loaders = fetched(&events, "loader");
    for name in ["pxelinux.0", "ldlinux.c32"] {
        assert!(loaders.contains(&format!("tftp {name}")), "no {name} in {loaders:?}");
    }
    trial.end();
    fs::remove_dir_all(folder).unwrap();
}

/// Files that the user gives are served with what they load, by both protocols; the choice is of `boot::select`.
#[test]
fn given_loaders_are_served_with_what_stands_beside_them() {
    let folder = scratch("given");
    let programs = unpacked("el9", "/EFI/BOOT", &folder.join("programs"));
    let shim = folder.join("My shim.efi");
    fs::copy(programs.join("BOOTX64.EFI"), &shim).unwrap();
    fs::copy(programs.join("grubx64.efi"), folder.join("GRUBX64.EFI")).unwrap();
    let pxelinux = folder.join("bios/lpxelinux.0");
    fs::create_dir(folder.join("bios")).unwrap();
    fs::copy("/usr/lib/PXELINUX/lpxelinux.0", &pxelinux).unwrap();
    for file in files_in("/usr/lib/syslinux/modules/bios", ".c32") {
        fs::copy(&file, folder.join("bios").join(file.file_name().unwrap())).unwrap();
    }
    let bench = Bench::new();
    bridge(&bench);
    let (iso, state) = (image("el9"), folder.join("state"));
    let arguments = [
        "--iso".to_owned(),
        iso.to_str().unwrap().to_owned(),
        "--state".to_owned(),
        state.to_str().unwrap().to_owned(),
        format!("--loader=x64={}", shim.to_str().unwrap()),
        "--loader".to_owned(),
        format!("bios={}", pxelinux.to_str().unwrap()),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let pxego = Pxego::start(&bench.server, &arguments);
    bench.client.ip("address add 192.168.100.9/24 dev br0");
    let out = folder.join("out");
    for (name, expected) in [
        ("given/x64/bootx64.efi", programs.join("BOOTX64.EFI")),
        ("given/x64/grubx64.efi", programs.join("grubx64.efi")),
        ("pxelinux.0", pxelinux.clone()),
        ("ldlinux.c32", folder.join("bios/ldlinux.c32")),
    ] {
        for protocol in ["http", "tftp"] {
            let url = format!("{protocol}://192.168.100.1/{name}");
            let mut curl = bench.client.command("curl");
            curl.args(["--disable", "--fail", "--silent", "--show-error", "--max-time", "60", "-o"]);
            run(curl.arg(&out).arg(&url));
            assert!(fs::read(&out).unwrap() == fs::read(&expected).unwrap(), "{url}");
        }
    }
    pxego.stop();
    fs::remove_dir_all(folder).unwrap();
}
