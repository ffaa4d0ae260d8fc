//! UEFI HTTP Boot with real firmware: OVMF and AAVMF in QEMU. Needs root, and what `demo/setup.sh test` installs.
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
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use lab::Firmware;
use serde_json::Value;
use trial::{OtherServer, Setup, Trial, fetched, of};

/// The lines of DHCP messages from a server, as tcpdump reads them, that have `text`.
fn said_by_dhcp(trial: &Trial, text: &str) -> Vec<String> {
    let packets = trial.capture.packets(&["-vvv"], "udp src port 67");
    packets.into_iter().filter(|line| line.contains(text)).map(|line| line.trim().to_owned()).collect()
}

/// The first lines of HTTP requests and responses and their headers with this name, in order.
fn http(trial: &Trial, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let packets = trial.capture.packets(&["-A"], "tcp port 80");
    let lines = packets.iter().map(|line| line.trim_end());
    // tcpdump's own line repeats the request; the packet's has the headers' bytes before it.
    let lines = lines.filter(|line| !line.contains(": Flags ["));
    lines.filter(|line| is_wanted(line)).map(str::to_owned).collect()
}

/// Everything came by HTTP, and nothing went wrong.
fn check(events: &[Value]) {
    for event in events {
        assert!(event.get("protocol").is_none_or(|protocol| protocol == "http"), "{event}");
    }
    for bad in ["broken", "refused", "nothing-to-boot", "warning"] {
        assert!(of(events, bad).is_empty(), "{bad}: {events:#?}");
    }
}

/// shim, GRUB, its menu and the kernel by HTTP, as from an image of Red Hat's family.
#[test]
fn c12_h01_h02_h03_h07_h16_h21_h22_from_the_loader_to_the_kernel() {
    let mut trial = Setup::new(Firmware::UefiHttp, "el9-http").start("http");
    let events = trial.until_kernel();
    check(&events);
    assert_eq!(fetched(&events, "loader"), ["http EFI/BOOT/BOOTX64.EFI", "http EFI/BOOT/grubx64.efi"]);
    assert_eq!(fetched(&events, "menu"), ["http EFI/BOOT/grub.cfg"]);

    let urls = said_by_dhcp(&trial, "http://");
    let url = "\"http://192.168.100.1/EFI/BOOT/BOOTX64.EFI";
    let in_option_67: Vec<&String> = urls.iter().filter(|line| line.starts_with("BF (67)")).collect();
    assert!(in_option_67.len() >= 2, "in the offer and in the acknowledgement: {urls:#?}");
    assert!(urls.iter().all(|line| line.contains(url)), "{urls:#?}");
    let classes = said_by_dhcp(&trial, "Vendor-Class (60)");
    assert!(classes.len() >= 2 && classes.iter().all(|line| line.contains("\"HTTPClient\"")), "{classes:?}");

    let first: Vec<String> = http(&trial, |line| line.contains("/EFI/BOOT/BOOTX64.EFI HTTP/1.1"));
    let verbs: Vec<bool> = first.iter().map(|line| line.contains("HEAD /EFI")).collect();
    assert_eq!(&verbs[..2], [true, false], "HEAD, then GET: {first:?}");
    let lengths = http(&trial, |line| line.starts_with("Content-Length: "));
    assert_eq!(lengths[0], lengths[1], "of HEAD and GET: {lengths:?}");
    // GRUB looks for this spelling and no other (grub-core/net/http.c), and has read its menu and the kernel.
    let spelt = http(&trial, |line| line.to_ascii_lowercase().starts_with("content-length:"));
    assert_eq!(spelt, lengths);
    let menu =
        http(&trial, |line| line.contains("GET /EFI/BOOT/grub.cfg") || line.contains("/grub.cfg HTTP/1.1"));
    assert!(!menu.is_empty() && lengths.len() > 4, "{menu:?} {lengths:?}");
    assert!(
        !http(&trial, |line| line.contains("GET /EFI/BOOT//grubx64.efi")).is_empty(),
        "as shim spells it"
    );
    assert!(http(&trial, |line| line.contains("revocations_s")).len() >= 2);
    trial.end();
}

/// What a loader asks for that is not there, and the first byte of a file that fits into no memory: firmware waits five
/// seconds for a response (`PcdHttpIoTimeout`), and shim asks for three files that nobody has before it goes on.
///
/// The best of several: this computer may be busy with something else.
#[test]
fn h08_h21_first_bytes_come_at_once() {
    const TRIES: usize = 20;
    let scratch = lab::scratch("prompt");
    let image = scratch.join("large.iso");
    large_image(&scratch, &image);
    let bench = netns::Bench::new();
    let state = scratch.join("state");
    let arguments = ["--iso", image.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let pxego = lab::Pxego::start(&bench.server, &arguments);
    bench.client.ip("addr add 192.168.100.9/24 dev eth0");
    let first_byte = |name: &str| {
        bench.client.run(|| {
            let mut stream = std::net::TcpStream::connect("192.168.100.1:80").unwrap();
            let request = format!("GET /{name} HTTP/1.1\r\nHost: 192.168.100.1\r\n\r\n");
            let start = Instant::now();
            stream.write_all(request.as_bytes()).unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).unwrap();
            (String::from_utf8_lossy(&first).into_owned(), start.elapsed())
        })
    };
    for (name, status, limit) in [
        ("EFI/BOOT/revocations.efi", "HTTP/1.1 404", Duration::from_millis(50)),
        ("EFI/BOOT/revocations_sbat.efi", "HTTP/1.1 404", Duration::from_millis(50)),
        ("EFI/BOOT/certificates", "HTTP/1.1 404", Duration::from_millis(50)),
        ("LiveOS/large.iso", "HTTP/1.1 200", Duration::from_secs(1)),
    ] {
        let tries: Vec<_> = (0..TRIES).map(|_| first_byte(name)).collect();
        assert!(tries.iter().all(|(said, _)| said == status), "{name}: {tries:?}");
        let best = tries.iter().map(|(_, took)| *took).min().unwrap();
        println!("{name}: {best:?}");
        assert!(best < limit, "{name}: {tries:?}");
    }
    let mut curl = bench.client.command("curl");
    let got = curl.args(["-sI", "http://192.168.100.1/LiveOS/large.iso"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&got.stdout).contains(&format!("Content-Length: {LARGE}\r\n")),
        "{got:?}"
    );
    pxego.stop();
    fs::remove_dir_all(scratch).unwrap();
}

/// The most that one extent holds: 4 GiB less a block.
const LARGE: u32 = u32::MAX - 2047;

/// An image with a file of nearly 4 GB in it that takes no room: behind its first block there is a hole.
fn large_image(scratch: &Path, image: &Path) {
    let tree = scratch.join("tree");
    let treeinfo = "[general]\nfamily = CentOS Stream\nversion = 9\narch = x86_64\n";
    for (name, text) in [
        (".treeinfo", treeinfo),
        ("images/pxeboot/vmlinuz", "kernel"),
        ("images/pxeboot/initrd.img", "initrd"),
        ("images/install.img", "hsqs"),
        ("BaseOS/repodata/repomd.xml", "<repomd/>"),
        ("LiveOS/large.iso", "first"),
    ] {
        fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
        fs::write(tree.join(name), text).unwrap();
    }
    let mut make = std::process::Command::new("genisoimage");
    netns::run(make.args(["-quiet", "-R", "-V", "LARGE", "-o"]).args([image, &tree]));
    // Its directory record says otherwise from now on: where, and how long in both orders of bytes (ECMA-119 §9.1).
    let mut bytes = fs::read(image).unwrap();
    let name = bytes.windows(11).position(|window| window == b"LARGE.ISO;1").unwrap();
    let block = (bytes.len() as u32).div_ceil(2048);
    for (at, value) in [(2, block), (10, LARGE)] {
        let field = [value.to_le_bytes(), value.to_be_bytes()].concat();
        bytes[name - 33 + at..][..8].copy_from_slice(&field);
    }
    fs::write(image, &bytes).unwrap();
    let len = u64::from(block) * 2048 + u64::from(LARGE);
    fs::File::options().write(true).open(image).unwrap().set_len(len).unwrap();
}

/// The same where another server gives the address.
#[test]
fn h06_beside_another_server() {
    let mut setup = Setup::new(Firmware::UefiHttp, "el9-http");
    setup.other = Some(OtherServer::Dnsmasq);
    let mut trial = setup.start("http_proxy");
    let events = trial.until_kernel();
    check(&events);
    assert!(of(&events, "leased").is_empty());
    assert_eq!(fetched(&events, "loader")[0], "http EFI/BOOT/BOOTX64.EFI");
    trial.end();
}

/// Secure Boot by HTTP: what the firmware, shim and GRUB fetch is signed, up to an installer that runs.
#[test]
fn h16_with_secure_boot_on() {
    let mut trial = Setup::new(Firmware::UefiHttpSecureBoot, "el9-signed").start("http_secure_boot");
    let events = trial.until("stage2");
    check(&events);
    assert_eq!(fetched(&events, "loader"), ["http EFI/BOOT/BOOTX64.EFI", "http EFI/BOOT/grubx64.efi"]);
    trial.end();
}

/// Debian's GRUB has no module for HTTP: the firmware gets iPXE instead, which gets the machine's script by itself.
#[test]
fn h16_ipxe_where_the_images_grub_does_not_speak_http() {
    let mut trial = Setup::new(Firmware::UefiHttp, "el9").start("http_ipxe");
    let events = trial.until_kernel();
    check(&events);
    assert_eq!(fetched(&events, "loader"), ["http snponly.efi"]);
    let menus = fetched(&events, "menu");
    assert_eq!(menus.last().map(String::as_str), Some("http boot.ipxe"), "{menus:?}");
    trial.end();
}

#[test]
fn a08_a10_h17_arm64() {
    let mut trial = Setup::new(Firmware::Arm64Http, "el9-arm64").start("http_arm64");
    let events = trial.until_kernel();
    check(&events);
    assert_eq!(of(&events, "discovered")[0]["arch"], "64-bit ARM UEFI");
    assert_eq!(fetched(&events, "loader"), ["http EFI/BOOT/BOOTAA64.EFI", "http EFI/BOOT/grubaa64.efi"]);
    trial.end();
}
