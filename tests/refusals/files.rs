//! The image, the kickstart, the state directory, and the command line itself.

use std::fs;

use super::netns::Bench;
use super::{Folder, REFUSED, WRONG_USE, addresses, iso, pxego};

#[test]
fn wrong_words_are_explained() {
    let bench = Bench::new();
    for (arguments, part) in [
        ("--iface eth0", "sudo pxego --iface eth0 --iso CentOS.iso --ks ks.cfg"),
        ("--iface eth0 --iso", "--iso"),
        ("--iface eth0 --isso x", "--isso"),
        ("--iface eth0 --iso x --http-port 99999", "--http-port 99999"),
        ("--iface eth0 --iso x --address 192.168.1.1/33", "192.168.100.1/24"),
        ("--iface eth0 --iso x --range 200-100", "192.168.100.100-192.168.100.200"),
        ("--iface eth0 --iso x --log xml", "write text or json"),
        ("--iface eth0 --iso x --loader x64", "x64=FILE"),
        ("--iface eth0 --iso x --loader amd=x", "write one of bios, x64, ia32, arm64"),
        ("--iface eth0 --iso x --loader x64=a --loader x86_64=b", "x86-64 UEFI machines have a already"),
        ("serve", "serve"),
    ] {
        pxego(&bench.server, arguments).is(WRONG_USE, &[part, "pxego --help"]);
    }
}

#[test]
fn what_is_no_install_image_is_refused() {
    let (bench, folder) = (Bench::new(), Folder::new("images"));
    let cut = folder.path("cut.iso");
    fs::copy(iso(), &cut).unwrap();
    let file = fs::File::options().write(true).open(&cut).unwrap();
    file.set_len(file.metadata().unwrap().len() - 20_000_000).unwrap();
    fs::write(folder.path("notes.iso"), "not an image\n".repeat(10_000)).unwrap();
    fs::write(folder.path("packed.iso"), b"\x1f\x8b\x08\0".repeat(10_000)).unwrap();
    fs::write(folder.path("empty.iso"), "").unwrap();
    fs::create_dir(folder.path("none")).unwrap();
    for (name, parts) in [
        ("cut.iso", &["is cut short", "20 MB are missing", "download it again"][..]),
        ("notes.iso", &["is not an install image: expected an ISO 9660 volume, found "]),
        ("packed.iso", &["expected an ISO 9660 volume, found gzip-compressed data"]),
        ("empty.iso", &["is not an install image"]),
        ("nowhere.iso", &["No such file", "ls -l "]),
        ("", &["none of the images can be used", "cut.iso is cut short", "packed.iso", "gunzip"]),
        ("none", &["no file in this folder ends in .iso or .img", "ls -l "]),
    ] {
        let path = folder.path(name);
        let ended = pxego(&bench.server, &format!("--iface eth0 --iso {path}"));
        ended.is(REFUSED, parts);
        assert!(ended.text.contains(&path), "{}", ended.text);
    }
    assert!(addresses(&bench.server).is_empty(), "nothing was touched");
}

#[test]
fn a_kickstart_that_cannot_be_one_is_refused() {
    let (bench, folder) = (Bench::new(), Folder::new("kickstarts"));
    fs::write(folder.path("empty.cfg"), "").unwrap();
    fs::write(folder.path("comments.cfg"), "# nothing yet\n\n").unwrap();
    fs::write(folder.path("utf16.cfg"), b"t\0e\0x\0t\0\n\0").unwrap();
    for (name, parts) in [
        ("empty.cfg", ["it has no commands", "Name another file with --ks"]),
        ("comments.cfg", ["it has no commands", "Name another file with --ks"]),
        ("utf16.cfg", ["not a text file", "UTF-8"]),
        ("nowhere.cfg", ["No such file", "ls -l "]),
        ("", ["s a directory", "Name a file in it"]),
    ] {
        let path = folder.path(name);
        let ended = pxego(&bench.server, &format!("--iface eth0 --iso {} --ks {path}", iso()));
        ended.is(REFUSED, &parts);
        assert!(ended.text.contains(&path), "{}", ended.text);
    }
}

/// Beside a kickstart it would do nothing, or not what its user believes.
#[test]
fn a_disk_beside_an_answer_file_is_for_images_that_are_told_of_one() {
    let (bench, folder) = (Bench::new(), Folder::new("wipe"));
    let ks = folder.path("ks.cfg");
    fs::write(&ks, "lang en_US\n").unwrap();
    for (rule, part) in
        [("nvme0n1", "Fedora CoreOS: none of these is"), ("size>=1G", "leave one of them out")]
    {
        let arguments = format!("--iface eth0 --iso {} --force --ks {ks} --wipe {rule}", iso());
        pxego(&bench.server, &arguments)
            .is(WRONG_USE, &["--wipe writes a kickstart, and --ks gives one", part]);
    }
    assert!(addresses(&bench.server).is_empty(), "nothing was touched");
}

/// The head of an EFI program for `machine` (PE Format), and a text of it.
fn efi(machine: u16, text: &str) -> Vec<u8> {
    let mut bytes = b"MZ".to_vec();
    bytes.resize(60, 0);
    bytes.extend(64_u32.to_le_bytes());
    bytes.extend(b"PE\0\0");
    bytes.extend(machine.to_le_bytes());
    bytes.resize(1024, 0);
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

#[test]
fn a_loader_that_the_machine_could_not_start_is_refused() {
    let (bench, folder) = (Bench::new(), Folder::new("loaders"));
    fs::write(folder.path("empty.efi"), "").unwrap();
    fs::write(folder.path("notes.efi"), "not a loader\n").unwrap();
    fs::write(folder.path("arm.efi"), efi(0xaa64, "")).unwrap();
    fs::write(folder.path("shim.efi"), efi(0x8664, "\\grubx64.efi")).unwrap();
    fs::write(folder.path("pxelinux.0"), b"\xea....PXELINUX 6.04 PXE").unwrap();
    for (loader, parts) in [
        ("x64=empty.efi", &["the file is empty"][..]),
        ("x64=notes.efi", &["it is no EFI program", "Name a loader for x86-64 UEFI machines"]),
        ("x64=arm.efi", &["an EFI program for arm64", "Name a loader for x86-64 UEFI machines"]),
        ("bios=arm.efi", &["an EFI program for arm64", "Name a loader for x86 BIOS machines"]),
        ("x64=shim.efi", &["loads grubx64.efi", "Copy grubx64.efi of the same release into"]),
        ("bios=pxelinux.0", &["needs ldlinux.c32 of the same build", "(*.c32) into"]),
        ("arm64=nowhere.efi", &["No such file", "ls -l "]),
        ("x64=", &["s a directory", "Name a file in it: --loader x64="]),
    ] {
        let (arch, name) = loader.split_once('=').unwrap();
        let path = folder.path(name);
        let ended = pxego(&bench.server, &format!("--iface eth0 --iso {} --loader {arch}={path}", iso()));
        ended.is(REFUSED, parts);
        assert!(ended.text.contains(&format!("--loader {arch}={path}")), "{}", ended.text);
    }
    assert!(addresses(&bench.server).is_empty(), "nothing was touched");
}

#[test]
fn a_state_directory_that_cannot_be_is_refused() {
    let (bench, folder) = (Bench::new(), Folder::new("state"));
    fs::write(folder.path("file"), "").unwrap();
    // Nobody can make a directory in the first, not even root; the second is a file.
    for path in ["/proc/pxego", &folder.path("file")] {
        let ended = pxego(&bench.server, &format!("--iface eth0 --iso {} --state {path}", iso()));
        ended.is(REFUSED, &[path, "--state DIR"]);
    }
    assert!(addresses(&bench.server).is_empty(), "nothing was touched");
}
