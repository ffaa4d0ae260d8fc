//! Real firmware beside somebody else's DHCP server, which gives the addresses: pxego only says what to boot. Needs root,
//! and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/trial.rs"]
mod trial;
#[path = "common/wire.rs"]
mod wire;

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lab::Firmware;
use netns::wait_until;
use serde_json::Value;
use trial::{OtherServer, Setup, Trial, fetched, of};
use wire::{loses_direct_offers, udp_offset, without_ipxe_options};

/// To the boot service, and from it.
const BOOT_SERVICE: &str = "udp port 4011";

/// The machine has its address from the other server, and pxego kept to its part.
fn check_part(trial: &Trial, events: &[Value]) {
    let dhcp: Vec<&str> =
        of(trial.pxego.events(), "dhcp").iter().map(|it| it["mode"].as_str().unwrap()).collect();
    assert_eq!(dhcp, ["proxy"], "and nothing else in between");
    assert!(of(events, "leased").is_empty(), "{events:#?}");
    for bad in ["broken", "refused", "nothing-to-boot", "adapting"] {
        assert!(of(events, bad).is_empty(), "{bad}: {events:#?}");
    }
    let fetched = events.iter().filter(|event| event.get("protocol").is_some());
    for event in fetched {
        let ip: Ipv4Addr = event["ip"].as_str().unwrap().parse().unwrap();
        assert!((50..=60).contains(&ip.octets()[3]), "an address of the other server's: {event}");
    }
}

/// iPXE in the ROM takes the script at once: nothing has to be asked on port 4011, nothing is chainloaded.
#[test]
fn p24_p30_p36_ipxe_in_the_rom_beside_isc_dhcpd() {
    let mut setup = Setup::new(Firmware::Bios, "el8");
    setup.other = Some(OtherServer::IscDhcpd);
    let mut trial = setup.start("proxy_ipxe");
    let events = trial.until_kernel();
    check_part(&trial, &events);
    assert_eq!(fetched(&events, "loader"), Vec::<String>::new());
    assert_eq!(fetched(&events, "menu"), ["http boot.ipxe"]);
    assert_eq!(trial.capture.packets(&[], BOOT_SERVICE), Vec::<String>::new());
    trial.end();
}

/// Any other ROM gets PXELINUX, which has its menu and the kernel from us.
#[test]
fn p24_p26_a_plain_rom_beside_dnsmasq() {
    let mut setup = Setup::new(Firmware::Bios, "el8");
    setup.other = Some(OtherServer::Dnsmasq);
    setup.wire = Some((hides_ipxe, passes));
    let mut trial = setup.start("proxy_plain_rom");
    let events = trial.until_kernel();
    check_part(&trial, &events);
    assert_eq!(fetched(&events, "loader"), ["tftp pxelinux.0", "tftp ldlinux.c32"]);
    trial.end();
}

/// Debian's GRUB does not know proxyDHCP (it is older than 2.12): UEFI machines get iPXE in its place, and that is said.
/// One that knows is taken from the image.
#[test]
fn p14_p24_uefi_beside_isc_dhcpd() {
    let mut setup = Setup::new(Firmware::Uefi, "el9");
    setup.other = Some(OtherServer::IscDhcpd);
    let mut trial = setup.start("proxy_uefi");
    let events = trial.until_kernel();
    check_part(&trial, &events);
    let loaders = fetched(&events, "loader");
    let warnings = of(trial.pxego.events(), "warning");
    let told = warnings.iter().any(|it| it["text"].as_str().unwrap().contains("too old for proxyDHCP"));
    if told {
        assert_eq!(loaders, ["tftp snponly.efi"]);
    } else {
        assert_eq!(loaders, ["tftp EFI/BOOT/BOOTX64.EFI", "tftp EFI/BOOT/grubx64.efi"]);
    }
    trial.end();
}

/// Secure Boot beside another server: the image's own shim and GRUB, all of it signed. GRUB from 2.12 on asks us for its menu.
/// It asks for the initial ramdisk only when it has found the kernel to be signed as well.
#[test]
fn p24_uefi_with_secure_boot_beside_isc_dhcpd() {
    let mut setup = Setup::new(Firmware::UefiSecureBoot, "el9-signed");
    setup.other = Some(OtherServer::IscDhcpd);
    let mut trial = setup.start("proxy_secure_boot");
    let events = trial.until_kernel();
    check_part(&trial, &events);
    let start = Instant::now();
    while !has_asked_for(&trial, "initrd.img") {
        assert!(start.elapsed() < lab::BOOT_DEADLINE, "it has not taken the kernel");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(fetched(&events, "loader"), ["tftp EFI/BOOT/BOOTX64.EFI", "tftp EFI/BOOT/grubx64.efi"]);
    let warnings = of(trial.pxego.events(), "warning");
    assert!(warnings.iter().all(|it| !it["text"].as_str().unwrap().contains("GRUB")), "{warnings:?}");
    trial.end();
}

/// Whether the machine has asked for a file by TFTP. The capture goes on: its last packet may be half a one.
fn has_asked_for(trial: &Trial, name: &str) -> bool {
    let mut command = Command::new("tcpdump");
    command.args(["-n", "-r"]).arg(trial.scratch.join("cable.pcap")).arg("udp dst port 69");
    let seen = command.output().unwrap().stdout;
    String::from_utf8_lossy(&seen).lines().any(|line| line.contains("RRQ") && line.contains(name))
}

/// iPXE that came by PXE beside another server: the ROM hands it packets that are not all, and it asks again until it knows
/// what to boot.
#[test]
fn c14_ipxe_chainloaded_by_a_plain_rom_beside_dnsmasq() {
    let mut setup = Setup::new(Firmware::Bios, "el9-bare");
    setup.other = Some(OtherServer::Dnsmasq);
    setup.wire = Some((hides_ipxe_of_the_rom, passes));
    let mut trial = setup.start("proxy_chainloaded_ipxe");
    let events = trial.until_kernel();
    check_part(&trial, &events);
    assert_eq!(fetched(&events, "loader"), ["tftp undionly.kpxe"], "once: no loop");
    assert_eq!(fetched(&events, "menu"), ["http boot.ipxe"]);
    trial.end();
}

/// Takes iPXE's options out of the ROM's requests only: until it asks for the program that it was offered.
fn hides_ipxe_of_the_rom(frame: &mut [u8]) -> bool {
    static IS_ROM: AtomicBool = AtomicBool::new(true);
    if frame.windows(8).any(|window| window == b"undionly") {
        IS_ROM.store(false, Ordering::Relaxed);
    }
    if IS_ROM.load(Ordering::Relaxed) {
        without_ipxe_options(frame);
    }
    true
}

/// A request to the boot service and its answer were seen. They are on the wire, and tcpdump may be behind.
fn went_by_the_boot_service(trial: &Trial) {
    wait_until("a request and its answer", || trial.capture.packets(&[], BOOT_SERVICE).len() >= 2);
}

/// The boot service on port 4011, beside another server: option 60 alone makes OVMF ask there.
#[test]
fn p16_p17_p18_uefi_asks_the_boot_service() {
    let (trial, events) =
        shaped(Firmware::Uefi, Some(OtherServer::Dnsmasq), "52:54:00:12:34:56 proxy boot-server\n");
    went_by_the_boot_service(&trial);
    check_part(&trial, &events);
    trial.end();
}

/// A boot menu that chooses by itself: OVMF does not stop in it, and asks the boot service.
#[test]
fn p22_p50_uefi_goes_through_the_menu_beside_another_server() {
    let (trial, events) =
        shaped(Firmware::Uefi, Some(OtherServer::IscDhcpd), "52:54:00:12:34:56 proxy menu\n");
    went_by_the_boot_service(&trial);
    check_part(&trial, &events);
    trial.end();
}

#[test]
fn p15_uefi_takes_a_plain_offer() {
    let (trial, _) = shaped(Firmware::Uefi, None, "52:54:00:12:34:56 full plain\n");
    assert!(trial.capture.packets(&[], BOOT_SERVICE).is_empty());
    trial.end();
}

#[test]
fn p50_uefi_goes_through_the_menu() {
    let (trial, _) = shaped(Firmware::Uefi, None, "52:54:00:12:34:56 full menu\n");
    went_by_the_boot_service(&trial);
    trial.end();
}

/// A ROM goes through the menu too. (This one is iPXE without its name; told a file in the offer it asks nobody else,
/// whatever option 60 says.)
#[test]
fn p22_p50_a_plain_rom_goes_through_the_menu_beside_another_server() {
    let shapes = "52:54:00:12:34:56 proxy menu\n";
    let (trial, events) = shaped(Firmware::Bios, Some(OtherServer::Dnsmasq), shapes);
    went_by_the_boot_service(&trial);
    check_part(&trial, &events);
    trial.end();
}

/// The ladder beside another server: OVMF finds nothing to boot in that server's offer, asks again at 4 and 12 s, and takes
/// the next shape, by way of port 4011.
#[test]
fn p46_p47_uefi_that_ignores_the_first_shape_beside_another_server() {
    let mut setup = Setup::new(Firmware::Uefi, "el8");
    setup.other = Some(OtherServer::Dnsmasq);
    setup.wire = Some((loses_http_boot, loses_direct_offers));
    let mut trial = setup.start("proxy_ladder");
    let events = trial.until("adapted");
    assert_eq!(of(&events, "adapting")[0]["ignored"], "direct");
    assert_eq!(of(&events, "adapted")[0]["shape"], "boot-server");
    went_by_the_boot_service(&trial);
    trial.end();
}

/// UEFI would boot by HTTP when PXE fails.
fn loses_http_boot(frame: &mut [u8]) -> bool {
    !(udp_offset(frame).is_some() && frame.windows(10).any(|window| window == b"HTTPClient"))
}

/// A boot to the first loader with a shape of offer that is remembered of an earlier run.
fn shaped(firmware: Firmware, other: Option<OtherServer>, shapes: &str) -> (Trial, Vec<Value>) {
    let mut setup = Setup::new(firmware, "el8");
    (setup.other, setup.shapes) = (other, shapes);
    if firmware == Firmware::Bios {
        setup.wire = Some((hides_ipxe, passes));
    }
    let words: Vec<&str> = shapes.split_whitespace().collect();
    let mut trial = setup.start(&["shape", words[1], words[2], &format!("{firmware:?}")].join("_"));
    let events = trial.until("loader");
    (trial, events)
}

fn hides_ipxe(frame: &mut [u8]) -> bool {
    without_ipxe_options(frame);
    true
}

fn passes(_: &mut [u8]) -> bool {
    true
}
