//! From power-on to "installed", with real firmware in QEMU. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use lab::{Firmware, MARKER, Machine, Pxego, image, power, scratch};
use netns::{Bench, run};
use serde_json::Value;
use wire::{Capture, bridge, bridge_that_hides_ipxe};

const MAC: &str = "52:54:00:12:34:56";

/// One machine's way to its installation.
struct Boot<'a> {
    firmware: Firmware,
    /// Whether the ROM's iPXE is to look like any other PXE ROM.
    hide_ipxe: bool,
    layout: &'a str,
    /// What the user wrote.
    kickstart: &'a str,
    /// What the machine is to get; `TREE` stands for the URL of the install tree.
    expected_kickstart: &'a str,
}

/// What came of it.
struct Installed {
    /// What the installer said: the text before the first colon, and the one after it.
    said: BTreeMap<String, String>,
    /// The machine's events.
    events: Vec<Value>,
}

impl Boot<'_> {
    fn run(&self, name: &str) -> Installed {
        let _power = power();
        let scratch = scratch(name);
        let kickstart = scratch.join("ks.cfg");
        fs::write(&kickstart, self.kickstart).unwrap();
        let image = image(self.layout);

        let bench = Bench::new();
        let _wire = if self.hide_ipxe {
            Some(bridge_that_hides_ipxe(&bench))
        } else {
            bridge(&bench);
            None
        };
        let capture = Capture::start(&bench, &scratch.join("cable.pcap"));
        let state = scratch.join("state");
        let options = [("--iso", &image), ("--ks", &kickstart), ("--state", &state)];
        let paths = options.iter().flat_map(|(option, path)| [*option, path.to_str().unwrap()]);
        // Byte for byte what the user wrote; tests/boot_installs.rs has the hooks.
        let arguments: Vec<&str> = paths.chain(["--no-hooks"]).collect();
        let pxego = Pxego::start(&bench.server, &arguments);
        let said = Machine::power_on(&bench.client, self.firmware, MAC).install();
        ask_for_the_images_own_configuration(&bench);
        let events = pxego.stop();

        assert!(!capture.finish_and_search(MARKER), "the image's own configuration was served");
        let addresses = run(bench.server.command("ip").args(["-4", "-o", "address", "show", "dev", "eth0"]));
        assert_eq!(String::from_utf8_lossy(&addresses.stdout), "", "the interface is as it was");
        fs::remove_dir_all(&scratch).unwrap();

        let said = said.iter().map(|line| line.split_once(": ").unwrap_or((line, "")));
        let said = said.map(|(what, text)| (what.to_owned(), text.to_owned())).collect();
        let events = events.into_iter().filter(|event| event["mac"] == MAC).collect();
        let installed = Installed { said, events };
        installed.check_kickstart(self.expected_kickstart);
        installed.check_events();
        installed
    }
}

/// The names under which a loader could find the configurations on the image: whatever comes, the capture has it.
fn ask_for_the_images_own_configuration(bench: &Bench) {
    bench.client.ip("address add 192.168.100.9/24 dev br0");
    for name in ["EFI/BOOT/grub.cfg", "grub.cfg", "isolinux/pxelinux.cfg/default", "pxelinux.cfg/default"] {
        for protocol in ["http", "tftp"] {
            let url = format!("{protocol}://192.168.100.1/{name}");
            let mut curl = bench.client.command("curl");
            let output = curl.args(["--silent", "--show-error", "--max-time", "20", &url]).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("inst."), "{url}: {output:?}");
        }
    }
}

impl Installed {
    fn check_kickstart(&self, expected: &str) {
        let arguments = &self.said["arguments"];
        let of = |name: &str| arguments.split(' ').find_map(|argument| argument.strip_prefix(name));
        let tree = of("inst.repo=").or_else(|| of("inst.stage2=")).expect("a tree among the arguments");
        let expected = expected.replace("TREE", tree);
        let expected = format!("{} bytes, sha256 {}", expected.len(), sha256(expected.as_bytes()));
        assert_eq!(self.said["kickstart"], expected);
    }

    /// Every step of the machine is there, in its order, and nothing went wrong on the way.
    fn check_events(&self) {
        let keys: Vec<&str> = self.events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        let mut rest = keys.iter();
        for step in [
            "discovered",
            "offered",
            "leased",
            "menu",
            "kernel",
            "initrd",
            "kickstart",
            "metadata",
            "stage2",
            "packages",
        ] {
            assert!(rest.any(|key| *key == step), "{step} is missing, or out of order: {keys:?}");
        }
        for bad in ["broken", "refused", "nothing-to-boot", "intruder", "warning"] {
            assert!(!keys.contains(&bad), "{bad}: {:#?}", self.events);
        }
    }

    /// The names of the files that were fetched as `step`, and how.
    fn fetched(&self, step: &str) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let of_step = self.events.iter().filter(|event| event["event"] == step);
        of_step.map(|event| (text(&event["name"]), text(&event["protocol"]))).collect()
    }

    fn has_fetched(&self, step: &str, end_of_name: &str, protocol: &str) {
        let fetched = self.fetched(step);
        let is_there = fetched.iter().any(|(name, by)| name.ends_with(end_of_name) && by == protocol);
        assert!(is_there, "{step}: no {end_of_name} by {protocol}, but {fetched:?}");
    }
}

fn sha256(bytes: &[u8]) -> String {
    let mut command = Command::new("sha256sum");
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = process.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

/// iPXE in the ROM is given a script, and gets everything by HTTP.
#[test]
fn bios() {
    let boot = Boot {
        firmware: Firmware::Bios,
        hide_ipxe: false,
        layout: "el8",
        kickstart: "lang en_US\n%packages\n@core\n%end\n",
        expected_kickstart: "url --url=TREE\nlang en_US\n%packages\n@core\n%end\n",
    };
    let installed = boot.run("bios");
    assert_eq!(installed.said["start"], "el8, firmware bios, secure boot off");
    assert!(installed.fetched("loader").is_empty(), "it is a loader itself");
    installed.has_fetched("menu", "boot.ipxe", "http");
    installed.has_fetched("kernel", "images/pxeboot/vmlinuz", "http");
}

/// Any other ROM gets PXELINUX out of the package on the image, and everything up to the initrd by TFTP.
#[test]
fn bios_plain() {
    let boot = Boot {
        firmware: Firmware::Bios,
        hide_ipxe: true,
        layout: "el7",
        // As it stands in many a kickstart of old: the tree at the root.
        kickstart: "install\nurl --url=http://192.168.100.1/\nlang en_US\n",
        expected_kickstart: "install\nurl --url=http://192.168.100.1/\nlang en_US\n",
    };
    let installed = boot.run("bios_plain");
    assert_eq!(installed.said["start"], "el7, firmware bios, secure boot off");
    installed.has_fetched("loader", "pxelinux.0", "tftp");
    installed.has_fetched("loader", "ldlinux.c32", "tftp");
    installed.has_fetched("menu", "pxelinux.cfg/01-52-54-00-12-34-56", "tftp");
    installed.has_fetched("kernel", "images/pxeboot/vmlinuz", "tftp");
}

/// UEFI gets the image's shim and GRUB.
#[test]
fn uefi() {
    let boot = Boot {
        firmware: Firmware::Uefi,
        hide_ipxe: false,
        layout: "el9",
        // There is no CD in a machine that boots from the network.
        kickstart: "text\r\ncdrom\r\nlang en_US\r\n",
        expected_kickstart: "text\r\nurl --url=TREE\r\nlang en_US\r\n",
    };
    let installed = boot.run("uefi");
    assert_eq!(installed.said["start"], "el9, firmware uefi, secure boot off");
    installed.has_fetched("loader", "BOOTX64.EFI", "tftp");
    installed.has_fetched("loader", "grubx64.efi", "tftp");
    // Debian's network GRUB asks for this one only; others try grub.cfg-01-52-54-… first.
    installed.has_fetched("menu", "grub/grub.cfg", "tftp");
}

/// The same with Secure Boot on: everything from the firmware to the kernel's modules is signed.
#[test]
fn c04_uefi_secure_boot() {
    let boot = Boot {
        firmware: Firmware::UefiSecureBoot,
        hide_ipxe: false,
        layout: "el8",
        kickstart: "url --url=http://192.168.100.1/\nlang en_US\n",
        expected_kickstart: "url --url=http://192.168.100.1/\nlang en_US\n",
    };
    let installed = boot.run("uefi_secure_boot");
    assert_eq!(installed.said["start"], "el8, firmware uefi, secure boot on");
    assert!(installed.said["kernel"].ends_with(", lockdown on"), "{}", installed.said["kernel"]);
    installed.has_fetched("loader", "BOOTX64.EFI", "tftp");
    installed.has_fetched("loader", "grubx64.efi", "tftp");
}
