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
    assert!(
        !http(&trial, |line| line.contains("GET /EFI/BOOT//grubx64.efi")).is_empty(),
        "as shim spells it"
    );
    assert!(http(&trial, |line| line.contains("revocations_s")).len() >= 2);
    trial.end();
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
