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
