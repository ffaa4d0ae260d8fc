//! Disks with something on them that boots, and says so on the serial console.
#![allow(dead_code, unreachable_pub, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::netns::run;

/// What they say.
pub const BOOTED: &str = "pxego-lab: disk booted";

/// 8 MB with a boot sector for BIOS machines: 16-bit code at 0x7c00 that writes the text to the first serial port.
pub fn bios(path: &Path) {
    let mut sector = vec![
        0xfc, // cld
        0x31, 0xc0, 0x8e, 0xd8, // xor ax, ax; mov ds, ax
        0xbe, 0x16, 0x7c, // mov si, text
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xac, 0x84, 0xc0, 0x74, 0x03, // next: lodsb; test al, al; jz halt
        0xee, 0xeb, 0xf8, // out dx, al; jmp next
        0xf4, 0xeb, 0xfd, // halt: hlt; jmp halt
    ];
    sector.extend(format!("{BOOTED}\r\n\0").into_bytes());
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector.resize(8 << 20, 0);
    fs::write(path, sector).unwrap();
}

/// 64 MB with an EFI system partition that has a loader for 64-bit x86 at each of `places`, such as
/// `/EFI/BOOT/BOOTX64.EFI`.
pub fn efi(path: &Path, places: &[&str]) {
    const START: u32 = 2048;
    const SECTORS: u32 = 128 << 10;
    let mut table = vec![0; 512];
    // One entry of type EFI (UEFI §5.2.2).
    let entry: Vec<u8> = [0, 0, 2, 0, 0xef, 0xff, 0xff, 0xff]
        .into_iter()
        .chain(START.to_le_bytes())
        .chain((SECTORS - START).to_le_bytes())
        .collect();
    table[446..462].copy_from_slice(&entry);
    table[510..].copy_from_slice(&[0x55, 0xaa]);
    table.resize(SECTORS as usize * 512, 0);
    fs::write(path, table).unwrap();

    let partition = format!("{}@@{}", path.display(), START * 512);
    run(Command::new("mformat").args(["-i", &partition, "-T", &(SECTORS - START).to_string()]));
    let loader = loader(path);
    for place in places {
        let names: Vec<&str> = place.trim_start_matches('/').split('/').collect();
        for depth in 1..names.len() {
            let directory = format!("::/{}", names[..depth].join("/"));
            // There already, for the second place of a directory.
            let _ = Command::new("mmd").args(["-D", "s", "-i", &partition, &directory]).output();
        }
        run(Command::new("mcopy").args(["-i", &partition, loader.to_str().unwrap(), &format!("::{place}")]));
    }
    fs::remove_file(loader).unwrap();
}

/// A GRUB that writes the text and stops.
fn loader(beside: &Path) -> PathBuf {
    let script = beside.with_extension("cfg");
    fs::write(&script, format!("serial\nterminal_output serial\necho '{BOOTED}'\nhalt\n")).unwrap();
    let loader = beside.with_extension("efi");
    let mut command = Command::new("bash");
    command.args(["-ec", MAKE_LOADER, "loader"]).args([&loader, &script]);
    run(command.env("DEMO", Path::new(env!("CARGO_MANIFEST_DIR")).join("demo")));
    fs::remove_file(script).unwrap();
    loader
}

const MAKE_LOADER: &str = r#"
. "$DEMO/common.sh"
modules=$(dirname "$(file_of /usr/lib/grub/x86_64-efi/serial.mod)")
"$(file_of /usr/bin/grub-mkimage)" -O x86_64-efi -d "$modules" -p / -c "$2" -o "$1" serial terminal echo halt
"#;
