//! tftp-hpa, atftp, busybox's tftp, and curl.

use std::fs;

use super::{INITRD, KERNEL, PLUS, Served, TREEINFO, text};

const SERVER: &str = "192.168.100.1";

#[test]
fn every_client_gets_the_bytes_that_are_on_the_image() {
    let served = Served::start_for_files("tftp");
    for path in [KERNEL, TREEINFO, PLUS] {
        served.fetches(path, &format!("tftp -m binary {SERVER} -c get {path} OUT"));
        served.fetches(path, &format!("atftp -g -r {path} -l OUT {SERVER}"));
        served.fetches(path, &format!("busybox tftp -g -r {path} -l OUT {SERVER}"));
        served.fetches(path, &format!("curl --silent --show-error -o OUT tftp://{SERVER}/{path}"));
    }
    // Lines end in LF on the image and here, in CR LF on the way (RFC 764).
    served.fetches(TREEINFO, &format!("tftp -m ascii {SERVER} -c get {TREEINFO} OUT"));
}

#[test]
fn every_option_is_understood_as_the_client_means_it() {
    let served = Served::start_for_files("tftp-options");
    for options in [
        "blksize 8",
        "blksize 1468",
        "blksize 65464",
        "windowsize 4",
        "windowsize 64",
        "tsize 0",
        "timeout 3",
        "blksize 1428;windowsize 16;tsize 0;timeout 2",
    ] {
        // The smallest blocks take a small file: 65,535 of them have half a megabyte.
        let path = if options == "blksize 8" { TREEINFO } else { INITRD };
        let mut command = served.bench.client.command("timeout");
        command.args(["60", "atftp"]);
        command.args(options.split(';').flat_map(|option| ["--option", option]));
        command.args(["-g", "-r", path, "-l"]).arg(served.path("out")).arg(SERVER);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{options}: {}", text(&output));
        assert!(served.got() == served.original(path), "{options}: other bytes");
    }
    for size in [512, 1024, 1468, 16384] {
        served.fetches(INITRD, &format!("busybox tftp -b {size} -g -r {INITRD} -l OUT {SERVER}"));
        let url = format!("tftp://{SERVER}/{INITRD}");
        served.fetches(INITRD, &format!("curl --silent --show-error --tftp-blksize {size} -o OUT {url}"));
    }
    served.fetches(INITRD, &format!("curl --silent --tftp-no-options -o OUT tftp://{SERVER}/{INITRD}"));
}

#[test]
fn names_are_read_however_they_are_written() {
    let served = Served::start_for_files("tftp-names");
    for written in [
        "/images/pxeboot/initrd.img",
        "//images///pxeboot/initrd.img",
        "t/el9/images/pxeboot/initrd.img",
        "\\images\\pxeboot\\initrd.img",
        "IMAGES/PXEBOOT/INITRD.IMG",
    ] {
        served.fetches(INITRD, &format!("atftp -g -r {written} -l OUT {SERVER}"));
    }
}

#[test]
fn what_is_missing_is_told_at_once() {
    let served = Served::start_for_files("tftp-missing");
    for path in ["images/updates.img", "nowhere/at/all", "images"] {
        // 68: "file not found on TFTP server".
        let output = served.client(&format!("curl --silent -o OUT tftp://{SERVER}/{path}"));
        assert_eq!(output.status.code(), Some(68), "{path}: {}", text(&output));
        let output = served.client(&format!("tftp -m binary {SERVER} -c get {path} OUT"));
        assert!(text(&output).contains("Error code 1:"), "{path}: {}", text(&output));
        let output = served.client(&format!("busybox tftp -g -r {path} -l OUT {SERVER}"));
        assert!(!output.status.success() && text(&output).contains("server error: (1)"), "{}", text(&output));
    }
    // Nothing is taken, either.
    fs::write(served.path("list"), "x").unwrap();
    let output = served.client(&format!("busybox tftp -p -l list -r upload {SERVER}"));
    assert!(text(&output).contains("server error: (2)"), "{}", text(&output));
}

/// What firmware asks for that boots from a tree, laid over the image: names in the order of the Raspberry Pi 4 (its serial
/// number before them, then none, some twenty of them missing) and those of Windows' boot manager, written as it writes them.
#[test]
fn c17_c18_firmware_that_boots_from_a_tree_finds_what_is_there() {
    let mut served = Served::start_for_files("tftp-trees");
    let overlay = served.path("overlay");
    let there = ["start4.elf", "fixup4.dat", "config.txt", "boot/bcd", "boot/boot.sdi", "sources/boot.wim"];
    for (number, path) in there.iter().enumerate() {
        let path = overlay.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![number as u8; 3000 + number]).unwrap();
    }
    served.switch_off();
    served.switch_on(&["--overlay", overlay.to_str().unwrap()]);

    let names = ["config.txt", "pieeprom.sig", "recover4.elf", "recovery.elf", "start4.elf", "fixup4.dat"];
    let more = ["start.elf", "bootcode.bin", "vl805.sig", "cmdline.txt", "kernel8.img", "kernel7l.img"];
    let names = names.iter().chain(&more);
    let of_pi = names.clone().map(|name| format!("1234abcd/{name}")).chain(names.map(|it| (*it).to_string()));
    let of_windows = [r"\Boot\BCD", r"\boot\boot.sdi", r"\sources\boot.wim", r"\Boot\Fonts\wgl4_boot.ttf"];
    let mut found = Vec::new();
    for name in of_pi.chain(of_windows.map(str::to_owned)) {
        let output = served.client(&format!("busybox tftp -b 1024 -g -r {name} -l OUT {SERVER}"));
        match output.status.success() {
            true => found.push((name, served.got())),
            false => assert!(text(&output).contains("server error: (1)"), "{name}: {}", text(&output)),
        }
    }
    let bytes = |path: &str| fs::read(overlay.join(path)).unwrap();
    let expected = [
        ("config.txt", "config.txt"),
        ("start4.elf", "start4.elf"),
        ("fixup4.dat", "fixup4.dat"),
        (r"\Boot\BCD", "boot/bcd"),
        (r"\boot\boot.sdi", "boot/boot.sdi"),
        (r"\sources\boot.wim", "sources/boot.wim"),
    ];
    assert!(found == expected.map(|(name, path)| (name.to_owned(), bytes(path))), "{found:?}");
}
