//! Menus of several images, and the machine's own disk, with real firmware in QEMU. Needs root, and what `demo/setup.sh
//! test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/disk.rs"]
mod disk;
#[path = "common/keyboard.rs"]
mod keyboard;
#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use lab::{Extras, Firmware, Machine, Pxego, has_other_vendor, image, power, scratch};
use netns::{Bench, run, wait_until};
use serde_json::Value;
use wire::{Capture, TAP, Wire, bridge, bridge_that_hides_ipxe};

/// The machine's card.
const MAC: &str = "52:54:00:12:34:56";

/// A machine with a disk, in front of pxego.
struct Desk {
    machine: Option<Machine>,
    pxego: Pxego,
    firmware: Firmware,
    bench: Bench,
    _wire: Option<Wire>,
    scratch: PathBuf,
    _power: File,
}

impl Desk {
    /// `make_disk` makes the machine's disk. `options` come after those that name the images.
    fn new(
        name: &str,
        firmware: Firmware,
        images: &[&Path],
        options: &str,
        make_disk: impl Fn(&Path),
    ) -> Self {
        let power = power();
        let scratch = scratch(name);
        make_disk(&scratch.join("disk"));
        let bench = Bench::new();
        let wire = if firmware == Firmware::Bios && name.contains("pxelinux") {
            Some(bridge_that_hides_ipxe(&bench))
        } else {
            bridge(&bench);
            None
        };
        let state = scratch.join("state");
        let mut arguments = vec!["--state", state.to_str().unwrap()];
        arguments.extend(images.iter().flat_map(|image| ["--iso", image.to_str().unwrap()]));
        arguments.extend(options.split_whitespace());
        let pxego = Pxego::start(&bench.server, &arguments);
        let mut desk = Self { machine: None, pxego, firmware, bench, _wire: wire, scratch, _power: power };
        desk.power_on();
        desk
    }

    fn power_on(&mut self) {
        self.machine = None;
        self.machine = Some(switch_on(&self.bench, self.firmware, &self.scratch));
    }

    /// Waits until its disk boots.
    fn until_its_disk(&self) {
        self.machine.as_ref().unwrap().says(disk::BOOTED);
    }

    /// Presses a key until the machine has fetched a kernel: its name. When no key came through in time, and the machine
    /// booted its disk, it is switched on again.
    fn press(&mut self, key: &str) -> String {
        let Self { machine, pxego, bench, firmware, scratch, .. } = self;
        let monitor = scratch.join(MONITOR);
        let event = pxego.wait_for_step_while("kernel", || {
            keyboard::press(&monitor, key);
            let console = machine.as_ref().map(Machine::console).unwrap_or_default();
            if console.iter().any(|line| line.contains(disk::BOOTED)) {
                *machine = None;
                *machine = Some(switch_on(bench, *firmware, scratch));
            }
        });
        event["name"].as_str().unwrap().to_owned()
    }

    /// What the menu called `name` says, to anybody who asks.
    fn menu(&self, name: &str) -> String {
        self.bench.client.ip("address replace 192.168.100.9/24 dev br0");
        let url = format!("http://192.168.100.1/{name}");
        let mut curl = self.bench.client.command("curl");
        let output = run(curl.args(["--silent", "--show-error", "--fail", "--max-time", "60", &url]));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Ends everything. All events.
    fn end(self) -> Vec<Value> {
        drop(self.machine);
        let events: Vec<Value> = self.pxego.stop();
        let bad = ["refused", "nothing-to-boot", "warning"];
        // Of the machine only: on a busy computer it takes it long to send its first frame, and that is told.
        let of_machine = events.iter().filter(|event| event["mac"] == MAC);
        let found: Vec<&Value> = of_machine.filter(|it| bad.iter().any(|bad| it["event"] == *bad)).collect();
        assert!(found.is_empty(), "{found:#?}");
        fs::remove_dir_all(self.scratch).unwrap();
        events
    }
}

/// The names of the files that the machine fetched as `step`.
fn fetched<'a>(events: &'a [Value], step: &str) -> Vec<&'a str> {
    let events = events.iter().filter(|event| event["event"] == step && event["mac"] == MAC);
    events.filter_map(|event| event["name"].as_str()).collect()
}

/// The socket of QEMU's monitor.
const MONITOR: &str = "monitor";

fn switch_on(bench: &Bench, firmware: Firmware, scratch: &Path) -> Machine {
    let (disk, monitor) = (scratch.join("disk"), scratch.join(MONITOR));
    let _ = fs::remove_file(&monitor);
    let extras = Extras { disks: &[&disk], monitor: Some(&monitor), ..Extras::default() };
    Machine::power_on_with(&bench.client, firmware, &[(TAP, MAC)], &extras)
}

/// The key before the entry `label` in a menu, whose lines are `before KEY after`.
fn key_of<'a>(menu: &'a str, before: &str, after: &str) -> &'a str {
    let end = menu.find(after).unwrap_or_else(|| panic!("no {after:?}: {menu}"));
    menu[..end].rsplit(before).next().unwrap()
}

/// Two images. Nobody touches the keyboard: the disk. A key: the second image.
#[test]
fn bios_boots_its_disk_or_what_is_chosen() {
    let images = [image("el9"), image("el8")];
    let images: Vec<&Path> = images.iter().map(PathBuf::as_path).collect();
    let mut desk = Desk::new("menus_bios", Firmware::Bios, &images, "--timeout 5", disk::bios);
    desk.until_its_disk();

    desk.power_on();
    let menu = desk.menu("boot.ipxe");
    let key = key_of(&menu, "item --key ", " el8 ").to_owned();
    assert_eq!(desk.press(&key), "t/el8/images/pxeboot/vmlinuz");
    assert_eq!(fetched(&desk.end(), "kernel").len(), 1, "none when it booted its disk");
}

/// The same by PXELINUX: its menu, which starts the user's default.
#[test]
fn pxelinux_starts_what_the_user_wants() {
    let images = [image("el9"), image("el8")];
    let images: Vec<&Path> = images.iter().map(PathBuf::as_path).collect();
    let options = "--timeout 3 --default el8";
    let mut desk = Desk::new("menus_pxelinux", Firmware::Bios, &images, options, disk::bios);
    let kernel = desk.pxego.wait_for_step("kernel")["name"].clone();
    assert_eq!(kernel, "t/el8/images/pxeboot/vmlinuz");
    let events = desk.end();
    let loaders = fetched(&events, "loader");
    assert!(loaders.contains(&"pxelinux.0") && loaders.contains(&"menu.c32"), "{loaders:?}");
}

/// The image's own screen behind F2; then Enter: `LOCALBOOT 0` gives control back to the BIOS, which goes on to the disk.
#[test]
fn pxelinux_shows_a_screen_and_boots_the_disk() {
    let image = image("el5");
    let options = "--default local --timeout 600";
    let mut desk = Desk::new("menus_pxelinux_local", Firmware::Bios, &[&image], options, disk::bios);
    let capture = Capture::start(&desk.bench, &desk.scratch.join("cable.pcap"));
    let monitor = desk.scratch.join(MONITOR);
    desk.pxego.wait_for_step("menu");
    let mut pressed: Option<Instant> = None;
    wait_until("the screen is fetched", || {
        // A key that comes before the menu is lost.
        if pressed.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
            keyboard::press(&monitor, "f2");
            pressed = Some(Instant::now());
        }
        capture.has("To pass options to the installer")
    });
    // One leads back from the screen.
    let machine = desk.machine.as_ref().unwrap();
    wait_until("the disk boots", || {
        if pressed.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
            keyboard::press(&monitor, "ret");
            pressed = Some(Instant::now());
        }
        machine.console().iter().any(|line| line.contains(disk::BOOTED))
    });
    let events = desk.end();
    assert_eq!(fetched(&events, "loader")[0], "pxelinux.0");
    assert!(fetched(&events, "kernel").is_empty());
}

/// GRUB finds what is installed, whose ever it is; and a key chooses the second image.
#[test]
fn uefi_boots_its_disk_or_what_is_chosen() {
    let images = [image("el9"), image("el8")];
    let images: Vec<&Path> = images.iter().map(PathBuf::as_path).collect();
    // Not at the default path: the firmware alone would not find it.
    let make_disk = |path: &Path| disk::efi(path, &["/EFI/lab/shimx64.efi"]);
    let mut desk = Desk::new("menus_uefi", Firmware::Uefi, &images, "--timeout 5", make_disk);
    desk.until_its_disk();

    desk.power_on();
    let menu = desk.menu("grub/grub.cfg");
    let key = key_of(&menu, "'", "  Install CentOS Linux 8.5 DVD'").to_owned();
    assert_eq!(desk.press(&key), "t/el8/images/pxeboot/vmlinuz");
    assert_eq!(fetched(&desk.end(), "kernel").len(), 1, "none when it booted its disk");
}

/// iPXE gives control back to the firmware with an error, and that goes on to the disk.
#[test]
fn ipxe_on_uefi_boots_the_disk() {
    let image = image("el9-bare");
    let make_disk = |path: &Path| disk::efi(path, &["/EFI/BOOT/BOOTX64.EFI"]);
    let desk = Desk::new("menus_ipxe", Firmware::Uefi, &[&image], "--default local --timeout 1", make_disk);
    desk.until_its_disk();
    assert_eq!(fetched(&desk.end(), "menu").last(), Some(&"boot.ipxe"));
}

/// An image like another whose kernel is older, and signed by nobody: who changes a signed one makes that.
fn unsigned(other: &Path, place: &Path) -> PathBuf {
    let (bad, kernel) = (place.join("bad.iso"), place.join("vmlinuz"));
    let extract =
        ["-osirrox", "on", "-indev", other.to_str().unwrap(), "-extract", "/images/pxeboot/vmlinuz"];
    run(Command::new("xorriso").args(extract).arg(&kernel));
    let mut bytes = fs::read(&kernel).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::remove_file(&kernel).unwrap();
    fs::write(&kernel, bytes).unwrap();
    run(Command::new("touch").args(["-d", "2001-01-01"]).arg(&kernel));
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-indev", other.to_str().unwrap(), "-outdev", bad.to_str().unwrap()]);
    xorriso.args(["-boot_image", "any", "keep", "-map", kernel.to_str().unwrap(), "/images/pxeboot/vmlinuz"]);
    run(&mut xorriso);
    bad
}

/// An image whose kernel Debian's loaders do not start: its id, its kernel and its loaders. Ubuntu's, or where its packages
/// were not to be had, one without a signature that counts, made in `place`.
fn of_another_vendor(place: &Path) -> (PathBuf, &'static str, &'static str, [&'static str; 2]) {
    if has_other_vendor() {
        let programs = ["loaders/x64/bootx64.efi", "loaders/x64/grubx64.efi"];
        return (image("ubuntu-signed"), "ubuntu-server", "casper/vmlinuz", programs);
    }
    let programs = ["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi"];
    (unsigned(&image("el9"), place), "el9", "images/pxeboot/vmlinuz", programs)
}

/// Secure Boot, and the kernel of one image that the loader of the other is refused: the machine starts again, and gets
/// that image's own loaders. The images are Debian's and Ubuntu's, each with a shim that trusts its vendor alone; where
/// Ubuntu's packages were not to be had, the other kernel is one that no loader takes, and does not start.
#[test]
fn secure_boot_leads_to_the_loader_of_the_chosen_image() {
    // Debian's kernel is the later one: its loaders are the common ones.
    let debian = image("el8");
    let place = scratch("menus_other_vendor");
    let is_real = has_other_vendor();
    let (other, id, kernel, programs) = of_another_vendor(&place);
    let kernel = format!("t/{id}/{kernel}");
    let options = format!("--timeout 1 --default {id}");
    let images: [&Path; 2] = [&debian, &other];
    let mut desk = Desk::new("menus_secure", Firmware::UefiSecureBoot, &images, &options, disk::bios);
    assert_eq!(desk.pxego.wait_for_step("kernel")["name"], kernel);
    assert_eq!(desk.pxego.wait_for_step("menu")["name"], format!("pick/{id}/grub.cfg"));
    // The lab's machines stay off when they would start again.
    desk.power_on();
    assert_eq!(desk.pxego.wait_for_step("kernel")["name"], kernel);
    if is_real {
        // GRUB asks for the ramdisk when shim has found the kernel good.
        assert_eq!(desk.pxego.wait_for_step("initrd")["name"], "t/ubuntu-server/casper/initrd");
    }
    let common = ["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi"].map(|name| format!("t/el8/{name}"));
    let own = programs.map(|name| format!("t/{id}/{name}"));
    assert_eq!(fetched(&desk.end(), "loader"), [&common[0], &common[1], &own[0], &own[1]]);
    fs::remove_dir_all(place).unwrap();
}

/// Secure Boot, and a machine that the list binds to the image of the other vendor: its loaders come at the first start, and
/// no menu is asked. Where Ubuntu's packages were not to be had, the other image is one without a signature that counts.
#[test]
fn secure_boot_of_a_bound_machine_begins_with_its_own_images_loaders() {
    let place = scratch("menus_bound");
    let (other, id, kernel, programs) = of_another_vendor(&place);
    let list = place.join("machines.csv");
    fs::write(&list, format!("mac,image\n{MAC},{id}\n")).unwrap();
    let options = format!("--machines {}", list.display());
    let mut desk = Desk::new(
        "menus_bound_secure",
        Firmware::UefiSecureBoot,
        &[&image("el8"), &other],
        &options,
        disk::bios,
    );
    assert_eq!(desk.pxego.wait_for_step("kernel")["name"], format!("t/{id}/{kernel}"));
    if has_other_vendor() {
        // GRUB asks for the ramdisk when shim has found the kernel good.
        assert_eq!(desk.pxego.wait_for_step("initrd")["name"], "t/ubuntu-server/casper/initrd");
    }
    let own = programs.map(|name| format!("t/{id}/{name}"));
    assert_eq!(fetched(&desk.end(), "loader"), [&own[0], &own[1]]);
    fs::remove_dir_all(place).unwrap();
}
