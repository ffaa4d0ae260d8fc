//! Images of many families, booted by real firmware in QEMU up to the first thing that the installer or the live system
//! fetches. Needs root, and what `demo/setup.sh test` installs; `demo/family.sh` says what the images are.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/trial.rs"]
mod trial;
#[path = "common/wire.rs"]
mod wire;

use std::time::Duration;

use lab::Firmware::{Bios, Uefi};
use lab::{Firmware, MARKER, packaged};
use trial::{Setup, fetched, of};

/// The real installer takes two minutes to its first question, and much more on a busy computer.
const DEADLINE: Duration = Duration::from_secs(900);

/// What a machine with this firmware fetches of an image of `layout`, an answer file given or not: its kernel is `kernel`,
/// and the last thing fetched as `step` is `file`.
fn boots(layout: &str, firmware: Firmware, kernel: &str, (step, file): (&str, &str), answer: &str) {
    let firmware_name = if firmware == Bios { "bios" } else { "uefi" };
    let setup = Setup { answer, ..Setup::new(firmware, layout) };
    let mut trial = setup.start(&format!("family_{layout}_{firmware_name}"));
    let events = trial.until_within(step, DEADLINE);
    for (step, file) in [("kernel", kernel), (step, file)] {
        let names = fetched(&events, step);
        assert!(names.last().is_some_and(|name| name.ends_with(file)), "{step} {file}: {names:?}");
    }
    for bad in ["broken", "refused", "nothing-to-boot"] {
        assert!(of(&events, bad).is_empty(), "{bad}: {events:#?}");
    }
    assert!(!trial.capture.has(MARKER), "the image's own configuration was served");
    trial.end();
}

// EL7 with a BIOS and EL9 with UEFI, the whole way, are in `boot_qemu.rs`.

/// The first file that anaconda asks for.
const TREEINFO: (&str, &str) = ("metadata", ".treeinfo");
const VMLINUZ: &str = "images/pxeboot/vmlinuz";

#[test]
fn c20_el6_bios() {
    boots("el6", Bios, VMLINUZ, TREEINFO, "");
}

/// Its kernel is no EFI program, and there is no GRUB 2 on it: the machine says what to do, and fetches none.
#[test]
fn el6_on_uefi_says_what_to_do() {
    let mut trial = Setup::new(Uefi, "el6").start("family_el6_uefi");
    trial.machine.says("Set it to BIOS (legacy, CSM) in its setup");
    let events = trial.until("menu");
    let told = of(&events, "nothing-to-boot");
    assert_eq!(told.len(), 1, "{events:#?}");
    let reason = told[0]["reason"].as_str().unwrap();
    for words in ["CentOS Linux 6.10", "Set it to BIOS", "--loader x64=grubnetx64.efi"] {
        assert!(reason.contains(words), "{reason}");
    }
    assert!(of(&events, "kernel").is_empty(), "{events:#?}");
    trial.end();
}

/// A GRUB 2 starts it: it needs no kernel that is an EFI program.
#[test]
fn el6_on_uefi_boots_by_a_grub_that_was_given() {
    let loader =
        format!("x64={}", packaged(&["/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"]).display());
    let setup = Setup { arguments: &["--loader", &loader], ..Setup::new(Uefi, "el6") };
    let mut trial = setup.start("family_el6_uefi_grub");
    let (step, file) = TREEINFO;
    let events = trial.until_within(step, DEADLINE);
    assert!(fetched(&events, "kernel").last().is_some_and(|name| name.ends_with(VMLINUZ)), "{events:#?}");
    assert!(fetched(&events, step).last().is_some_and(|name| name.ends_with(file)), "{events:#?}");
    assert!(of(&events, "nothing-to-boot").is_empty(), "{events:#?}");
    trial.end();
}

#[test]
fn c20_el7_uefi() {
    boots("el7", Uefi, VMLINUZ, TREEINFO, "");
}

#[test]
fn c20_el9_bios() {
    boots("el9", Bios, VMLINUZ, TREEINFO, "");
}

/// There is no PXELINUX on it.
#[test]
fn c20_el10_bios() {
    boots("el10", Bios, VMLINUZ, TREEINFO, "");
}

#[test]
fn c20_el10_uefi() {
    boots("el10", Uefi, VMLINUZ, TREEINFO, "");
}

const SUSE: &str = "boot/x86_64/loader/linux";

#[test]
fn c24_suse_bios() {
    boots("suse", Bios, SUSE, ("stage2", "boot/x86_64/root"), "");
}

#[test]
fn c24_suse_uefi() {
    boots("suse", Uefi, SUSE, ("stage2", "boot/x86_64/root"), "");
}

const ARCH: &str = "arch/boot/x86_64/vmlinuz-linux";

#[test]
fn c23_arch_bios() {
    boots("arch", Bios, ARCH, ("stage2", "arch/x86_64/airootfs.sfs"), "");
}

#[test]
fn c23_arch_uefi() {
    boots("arch", Uefi, ARCH, ("stage2", "arch/x86_64/airootfs.sfs"), "");
}

#[test]
fn debian_live_bios() {
    boots("debian-live", Bios, "live/vmlinuz-6.1.0-18-amd64", ("stage2", "live/filesystem.squashfs"), "");
}

/// It is told the disk that was named, fetches its system, and then what that is to become.
#[test]
fn coreos_bios_installs_itself_to_the_disk_that_was_named() {
    let setup = Setup {
        answer: "{\"ignition\": {\"version\": \"3.4.0\"}}\n",
        arguments: &["--wipe", "vda"],
        ..Setup::new(Bios, "coreos")
    };
    let mut trial = setup.start("family_coreos_bios");
    let arguments = trial.machine.says("pxego-lab: arguments: ");
    assert!(arguments.contains(" coreos.inst.install_dev=/dev/vda "), "{arguments}");
    let ignition = trial.machine.says("pxego-lab: ignition: ");
    assert!(ignition.ends_with("{\"ignition\": {\"version\": \"3.4.0\"}}"), "{ignition}");
    let events = trial.until("kickstart");
    let system = fetched(&events, "stage2");
    assert!(system.last().is_some_and(|name| name.ends_with("images/pxeboot/rootfs.img")), "{system:?}");
    trial.end();
}

/// Its ramdisk takes packages from the image, and then loads drivers and firmware.
#[test]
fn c25_alpine_bios() {
    boots("alpine", Bios, "boot/vmlinuz-lts", ("stage2", "boot/modloop-lts"), "");
}

/// The image as one file, which its ramdisk loads.
#[test]
fn c22_ubuntu_uefi() {
    boots("ubuntu", Uefi, "casper/vmlinuz", ("stage2", ".iso"), "");
}

/// The real installer, with an answer file for it to be given.
const PRESEED: &str =
    "d-i debian-installer/locale string en_US.UTF-8\nd-i keyboard-configuration/xkb-keymap select us\n";

#[test]
fn c21_debian_installer_bios() {
    boots("debian-installer", Bios, "linux", ("initrd", "initrd.gz"), PRESEED);
}

#[test]
fn c21_debian_installer_uefi() {
    boots("debian-installer", Uefi, "linux", ("initrd", "initrd.gz"), PRESEED);
}

/// It is loaded, and loads nothing more.
#[test]
fn memtest_bios() {
    boots("memtest", Bios, "EFI/BOOT/bootx64.efi", ("kernel", ""), "");
}

#[test]
fn memtest_uefi() {
    boots("memtest", Uefi, "EFI/BOOT/bootx64.efi", ("kernel", ""), "");
}

/// Its menu names a directory of the medium; the live system is loaded from there.
#[test]
fn unknown_bios() {
    boots("unknown", Bios, "system/kernel", ("stage2", "system/filesystem.squashfs"), "");
}

#[test]
fn unknown_uefi() {
    boots("unknown", Uefi, "system/kernel", ("stage2", "system/filesystem.squashfs"), "");
}
