//! What real firmware in QEMU makes of less usual benches: images without loaders, 64-bit Arm, two cards, offers that get
//! lost. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_machine.rs"]
mod dhcp_machine;
#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/trial.rs"]
mod trial;
#[path = "common/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use lab::Firmware;
use pxego::wire::dhcp_option::Code;
use serde_json::Value;
use trial::{MAC, Setup, fetched, of};
use wire::{loses_direct_offers, without_ipxe_options};

fn passes(_: &mut [u8]) -> bool {
    true
}

fn check(events: &[Value]) {
    for bad in ["broken", "refused", "nothing-to-boot", "warning"] {
        assert!(of(events, bad).is_empty(), "{bad}: {events:#?}");
    }
    let addresses: BTreeSet<&str> = events.iter().filter_map(|event| event["ip"].as_str()).collect();
    assert_eq!(addresses.len(), 1, "the same address in all stages");
}

/// iPXE in the ROM, seen as any ROM, and no PXELINUX on the image: our iPXE, which is then known and gets the script.
#[test]
fn c01_p31_bios_without_pxelinux() {
    let mut setup = Setup::new(Firmware::Bios, "el9-bare");
    setup.wire = Some((hides_ipxe_of_the_rom, passes));
    let mut trial = setup.start("bare_bios");
    let events = trial.until_kernel();
    check(&events);
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

/// UEFI, and neither shim nor GRUB on the image.
#[test]
fn c03_c10_p33_uefi_without_grub() {
    let mut trial = Setup::new(Firmware::Uefi, "el9-bare").start("bare_uefi");
    let events = trial.until_kernel();
    check(&events);
    assert_eq!(fetched(&events, "loader"), ["tftp snponly.efi"], "once: no loop");
    assert_eq!(of(&events, "discovered").len(), 2, "the firmware, and iPXE");
    let menus = fetched(&events, "menu");
    assert_eq!(menus.last().map(String::as_str), Some("http boot.ipxe"), "{menus:?}");
    trial.end();
}

/// iPXE in the ROM has its address at once: it does not wait two seconds for a proxyDHCP offer.
#[test]
fn p30_p33_ipxe_in_the_rom_waits_for_nobody() {
    let mut trial = Setup::new(Firmware::Bios, "el9-bare").start("rom");
    // An event is told before its packet leaves; what the machine does next comes after it.
    let events = trial.until("menu");
    let packets = trial.capture.packets(&["-q"], "udp port 67");
    let at = |line: &String| line.split(' ').next().unwrap().parse::<f64>().unwrap();
    let offer_to_ack: Vec<f64> =
        packets.iter().filter(|line| line.contains("192.168.100.1.67 >")).map(at).collect();
    assert!(offer_to_ack.len() >= 2, "{packets:#?}");
    let took = offer_to_ack[offer_to_ack.len() - 1] - offer_to_ack[offer_to_ack.len() - 2];
    assert!(took < 1.0, "{took} s from the offer to the acknowledgement: {packets:#?}");
    assert_eq!(of(&events, "offered")[0]["boot_file"], "http://192.168.100.1/boot.ipxe");
    trial.end();
}

#[test]
fn a08_arm64() {
    let mut trial = Setup::new(Firmware::Arm64, "el9-arm64").start("arm64");
    let events = trial.until_kernel();
    check(&events);
    assert_eq!(of(&events, "discovered")[0]["arch"], "64-bit ARM UEFI");
    assert_eq!(fetched(&events, "loader"), ["tftp EFI/BOOT/BOOTAA64.EFI", "tftp EFI/BOOT/grubaa64.efi"]);
    trial.end();
}

/// iPXE as a newer distribution builds it, given to machines of `arch`: the firmware fetches it once, and it goes on by HTTP.
fn newer_ipxe(firmware: Firmware, layout: &str, arch: &str, files: &[&str]) {
    let given = format!("{arch}={}", lab::packaged(files).display());
    let arguments = ["--loader", &given];
    let mut setup = Setup::new(firmware, layout);
    setup.arguments = &arguments;
    let mut trial = setup.start(&format!("ipxe_{arch}"));
    let events = trial.until_kernel();
    check(&events);
    assert_eq!(fetched(&events, "loader").len(), 1, "once: no loop: {events:#?}");
    assert_eq!(fetched(&events, "menu"), ["http boot.ipxe"]);
    assert_eq!(fetched(&events, "kernel"), ["http t/el9/images/pxeboot/vmlinuz"]);
    assert_eq!(of(&events, "discovered").len(), 2, "the firmware, and iPXE");
    trial.end();
}

#[test]
fn c05_c10_arm64_by_a_newer_ipxe() {
    let files = ["/usr/lib/ipxe/snponly-arm64.efi", "/usr/lib/ipxe/ipxe-arm64.efi"];
    newer_ipxe(Firmware::Arm64, "el9-arm64", "arm64", &files);
}

#[test]
fn c03_c10_uefi_by_a_newer_ipxe() {
    newer_ipxe(Firmware::Uefi, "el9-bare", "x64", &["/usr/lib/ipxe/snponly.efi"]);
}

/// A ROM that fetches PXELINUX, hangs in it and is switched off and on again: the third time it is offered iPXE, and when
/// that leads nowhere either, PXELINUX.
#[test]
fn c15_a_program_that_leads_nowhere_twice_is_followed_by_the_other() {
    let (image, scratch) = (lab::image("el8"), lab::scratch("stuck"));
    let bench = netns::Bench::new();
    let state = scratch.join("state");
    let arguments = ["--iso", image.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let mut pxego = lab::Pxego::start(&bench.server, &arguments);
    let mut rom = dhcp_machine::Machine::new(&bench.client, [0x52, 0x54, 0, 0, 0xc1, 5]);
    let mut offered = Vec::new();
    for _ in 0..5 {
        rom.xid += 1;
        let ack = rom.lease(|message| {
            message.options.push(Code::VENDOR_CLASS, b"PXEClient:Arch:00000:UNDI:002001");
            message.options.push(Code(93), &[0, 0]);
        });
        let name = String::from_utf8_lossy(ack.message.file_name()).into_owned();
        if offered.is_empty() {
            bench.client.ip(&format!("addr add {}/24 dev eth0", ack.message.yiaddr));
        }
        let url = format!("tftp://192.168.100.1/{name}");
        netns::run(bench.client.command("curl").args(["--silent", "--show-error", "--max-time", "60", &url]));
        pxego.wait_for("loader", netns::DEADLINE);
        offered.push(name);
    }
    let (pxelinux, ipxe) = ("pxelinux.0", "undionly.kpxe");
    assert_eq!(offered, [pxelinux, pxelinux, ipxe, ipxe, pxelinux]);
    let events = pxego.stop();
    let told = of(&events, "warning");
    let text = told.iter().map(|it| it["text"].as_str().unwrap()).find(|text| text.contains("led nowhere"));
    assert!(text.is_some_and(|text| text.contains(pxelinux) && text.contains(ipxe)), "{told:?}");
    fs::remove_dir_all(scratch).unwrap();
}

/// The ladder with OVMF: it repeats itself, gets the next shape, boots; at its next start it gets that shape at once.
#[test]
fn p46_p47_uefi_that_ignores_the_first_shape() {
    let mut setup = Setup::new(Firmware::Uefi, "el8");
    setup.wire = Some((passes, loses_direct_offers));
    let mut trial = setup.start("ladder");
    let events = trial.until("adapted");
    assert_eq!(of(&events, "adapting")[0]["ignored"], "direct");
    assert_eq!(of(&events, "adapted")[0]["shape"], "plain");
    assert_eq!(fetched(&events, "loader")[0], "tftp EFI/BOOT/BOOTX64.EFI");
    // Another thread writes it.
    let shapes = trial.scratch.join("state/shapes");
    netns::wait_until("the shape in the file", || {
        fs::read_to_string(&shapes).is_ok_and(|text| text.contains(&format!("{MAC} full plain\n")))
    });

    let before = events.len();
    trial.power_cycle(Firmware::Uefi);
    let again = &trial.until("loader")[before..];
    assert!(of(again, "adapting").is_empty(), "{again:#?}");
    trial.end();
}

/// Two cards on one wire: the installer uses the one that the machine booted from, which is not the first.
#[test]
fn c26_the_card_that_was_booted_from_is_the_installers() {
    let mut setup = Setup::new(Firmware::Uefi, "el8");
    setup.first_card = Some("52:54:00:12:34:55");
    let mut trial = setup.start("two_cards");
    trial.until("stage2");
    let console = trial.machine.console();
    let said = |start: &str| {
        let line = console.iter().find_map(|line| line.split_once(start));
        line.unwrap_or_else(|| panic!("no {start:?}: {console:#?}")).1.to_owned()
    };
    assert!(said("pxego-lab: arguments: ").contains("BOOTIF=01-52-54-00-12-34-56"));
    assert!(said("pxego-lab: network: ").contains(MAC));
    trial.end();
}

/// U-Boot, as the distribution builds it: finds no script of its own, and asks again as an EFI machine would.
#[test]
fn a12_uboot_gets_the_efi_loader() {
    let mut trial = Setup::new(Firmware::UBoot, "el9-arm64").start("uboot");
    let loader = trial.pxego.wait_for_step("loader").clone();
    assert_eq!((&loader["name"], &loader["protocol"]), (&"EFI/BOOT/BOOTAA64.EFI".into(), &"tftp".into()));
    let clients = of(trial.pxego.events(), "discovered");
    let clients: Vec<&str> = clients.iter().map(|it| it["client"].as_str().unwrap()).collect();
    assert_eq!(clients, ["U-Boot", "64-bit ARM UEFI PXE"]);
    // Its first question is for a script of its own, and nothing is wrong with that.
    assert!(of(trial.pxego.events(), "nothing-to-boot").is_empty(), "{:#?}", trial.pxego.events());
    trial.end();
}
