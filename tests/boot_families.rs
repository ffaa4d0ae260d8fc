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

use lab::{Firmware, MARKER};
use serde_json::Value;
use trial::{Setup, fetched, of};

/// Boots an image of `layout` until the machine has fetched something as `step`.
fn boot(layout: &str, firmware: Firmware, step: &str) -> Vec<Value> {
    let firmware_name = if firmware == Firmware::Bios { "bios" } else { "uefi" };
    let mut trial = Setup::new(firmware, layout).start(&format!("family_{layout}_{firmware_name}"));
    let events = trial.until(step);
    assert!(!trial.capture.has(MARKER), "the image's own configuration was served");
    for bad in ["broken", "refused", "nothing-to-boot"] {
        assert!(of(&events, bad).is_empty(), "{bad}: {events:#?}");
    }
    trial.end();
    events
}

/// The last file that was fetched as `step`.
fn last(events: &[Value], step: &str) -> String {
    fetched(events, step).pop().unwrap_or_default()
}

/// Both firmwares, as a module with a test each.
macro_rules! family {
    ($name:ident, $layout:literal, $kernel:literal, $step:literal, $file:literal) => {
        mod $name {
            use super::*;

            fn check(firmware: Firmware) {
                let events = boot($layout, firmware, $step);
                assert!(last(&events, "kernel").ends_with($kernel), "{events:#?}");
                assert!(last(&events, $step).ends_with($file), "{events:#?}");
            }

            #[test]
            fn bios() {
                check(Firmware::Bios);
            }

            #[test]
            fn uefi() {
                check(Firmware::Uefi);
            }
        }
    };
}

family!(el6, "el6", "images/pxeboot/vmlinuz", "metadata", ".treeinfo");
family!(el7, "el7", "images/pxeboot/vmlinuz", "metadata", ".treeinfo");
family!(el9, "el9", "images/pxeboot/vmlinuz", "metadata", ".treeinfo");
family!(el10, "el10", "images/pxeboot/vmlinuz", "metadata", ".treeinfo");
family!(c24_suse, "suse", "boot/x86_64/loader/linux", "stage2", "boot/x86_64/root");
family!(c23_arch, "arch", "arch/boot/x86_64/vmlinuz-linux", "stage2", "arch/x86_64/airootfs.sfs");
family!(memtest, "memtest", "EFI/BOOT/bootx64.efi", "kernel", "EFI/BOOT/bootx64.efi");
family!(unknown, "unknown", "system/kernel", "stage2", "system/filesystem.squashfs");
family!(debian_installer, "debian-installer", "/linux", "initrd", "initrd.gz");
