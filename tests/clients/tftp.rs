//! tftp-hpa, atftp, busybox's tftp, and curl.

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
    std::fs::write(served.path("list"), "x").unwrap();
    let output = served.client(&format!("busybox tftp -p -l list -r upload {SERVER}"));
    assert!(text(&output).contains("server error: (2)"), "{}", text(&output));
}
