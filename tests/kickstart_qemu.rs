//! The guard for disks in a whole machine: pxego writes the kickstart, the machine fetches it, runs its `%pre` and stops or
//! marks the disk that was chosen. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use lab::{Extras, Firmware, Machine, Pxego, image, power, scratch};
use netns::Bench;
use wire::{TAP, bridge};

const MAC: &str = "52:54:00:12:34:56";
const MIB: u64 = 1 << 20;

/// What the machine writes where an installer would put partitions.
const MARK: &[u8] = b"pxego-lab: installed\n";

/// A disk of zeros.
fn disk(scratch: &Path, name: &str, mib: u64) -> PathBuf {
    let path = scratch.join(name);
    File::create(&path).unwrap().set_len(mib * MIB).unwrap();
    path
}

/// A disk with one partition: an MBR with an entry of type Linux, from sector 2048 on (UEFI 2.10 §5.2.1).
fn partitioned(scratch: &Path, name: &str, mib: u64) -> PathBuf {
    let path = disk(scratch, name, mib);
    let mut sector = [0; 512];
    sector[446 + 4] = 0x83;
    sector[446 + 8..446 + 12].copy_from_slice(&2048_u32.to_le_bytes());
    sector[446 + 12..446 + 16].copy_from_slice(&8192_u32.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    File::options().write(true).open(&path).unwrap().write_all_at(&sector, 0).unwrap();
    path
}

fn first_sector(disk: &Path) -> Vec<u8> {
    let mut sector = vec![0; 512];
    File::open(disk).unwrap().read_exact_at(&mut sector, 0).unwrap();
    sector
}

/// Puts a machine with these disks in front of pxego and watches it with `watch`. What the disks begin with, before and
/// after.
fn trial(
    name: &str,
    rule: &str,
    disks: impl Fn(&Path) -> Vec<PathBuf>,
    watch: impl Fn(&mut Machine),
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let image = image("el8");
    let _power = power();
    let scratch = scratch(name);
    let disks = disks(&scratch);
    let stick = disk(&scratch, "stick", 16);
    let all: Vec<&Path> = disks.iter().chain([&stick]).map(PathBuf::as_path).collect();
    let before: Vec<Vec<u8>> = all.iter().map(|disk| first_sector(disk)).collect();

    let bench = Bench::new();
    bridge(&bench);
    let state = scratch.join("state");
    let arguments = ["--iso", image.to_str().unwrap(), "--wipe", rule, "--state", state.to_str().unwrap()];
    let pxego = Pxego::start(&bench.server, &arguments);
    let fixed: Vec<&Path> = disks.iter().map(PathBuf::as_path).collect();
    let extras = Extras { disks: &fixed, stick: Some(&stick), ..Extras::default() };
    let mut machine = Machine::power_on_with(&bench.client, Firmware::Bios, &[(TAP, MAC)], &extras);
    watch(&mut machine);
    machine.power_off();
    let events = pxego.stop();
    assert!(events.iter().any(|event| event["event"] == "kickstart" && event["mac"] == MAC), "{events:#?}");

    let after = all.iter().map(|disk| first_sector(disk));
    let result = before.into_iter().zip(after).collect();
    fs::remove_dir_all(&scratch).unwrap();
    result
}

/// Of five disks the one that is meant: blank, large enough, the smallest of those; not the stick.
#[test]
fn the_right_disk_is_taken_and_no_other() {
    let disks = |scratch: &Path| {
        vec![
            partitioned(scratch, "used", 64),
            disk(scratch, "large", 128),
            disk(scratch, "right", 80),
            disk(scratch, "small", 32),
        ]
    };
    let changes = trial("the_right_disk", "blank,size>=60MiB,smallest", disks, |machine| {
        let said = machine.install();
        assert!(said.iter().any(|line| line == "storage: vdc"), "{said:#?}");
    });
    for (index, (before, after)) in changes.iter().enumerate() {
        match index {
            2 => assert!(after.starts_with(MARK), "the disk that was meant"),
            _ => assert_eq!(before, after, "disk {index} was written to"),
        }
    }
}

/// Under `--wipe blank` a disk with a partition stops the machine, which says so on its screen.
#[test]
fn a_disk_with_a_partition_is_not_blank() {
    let disks = |scratch: &Path| vec![partitioned(scratch, "used", 64)];
    let changes = trial("not_blank", "blank", disks, |machine| {
        machine.says(
            "no disk was touched and nothing is installed: no disk fits the rule blank. Disks: sda (16 MiB) is an \
             external disk; vda (64 MiB) has partitions;",
        );
    });
    for (before, after) in changes {
        assert_eq!(before, after, "a disk was written to");
    }
}
