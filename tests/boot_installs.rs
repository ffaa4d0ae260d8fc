//! The closed loop with real firmware in QEMU: the kickstart's hooks report, and what they report decides what a machine
//! boots next. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/disk.rs"]
mod disk;
#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use lab::{Extras, Firmware, Machine, Pxego, image, power, scratch};
use netns::Bench;
use serde_json::Value;
use wire::{TAP, bridge};

const GOOD: &str = "52:54:00:12:34:56";
const BAD: &str = "52:54:00:12:34:57";

/// Says on the console what its row of the list says, chooses disks as many do, and fails where the list says so.
const TEMPLATE: &str = "lang en_US
network --hostname={{ name }}
%include /tmp/disks
%pre
echo 'clearpart --all --drives={{ disk }}' >/tmp/disks
echo 'pxego-lab: row: {{ name }}, {{ role }}' >/dev/ttyS0
%end
%packages
@core
%end
%post --erroronfail
{% if role == 'broken' %}
exit 7
{% endif %}
%end
";

const MACHINES: &str = "\u{feff}MAC;name;role;disk\r\n\
                        52-54-00-12-34-56;node01;web;vda\r\n5254.0012.3457;node02;broken;vdb\r\n";

/// Two tries of the second machine failed in an earlier run.
const STATE: &str = "52:54:00:12:34:57 failed reported tries 2 name node02 key - since 1795348800 \
                     2026-11-22T12:00:00Z because no disk\n";

struct Lab {
    pxego: Pxego,
    firmware: Firmware,
    bench: Bench,
    scratch: PathBuf,
    _power: File,
}

impl Lab {
    /// `options` are those after the images and the state, of which `{}` is the scratch directory.
    fn start(name: &str, firmware: Firmware, layout: &str, files: &[(&str, &str)], options: &str) -> Self {
        let image = image(layout);
        let power = power();
        let scratch = scratch(name);
        let state = scratch.join("state");
        fs::create_dir_all(&state).unwrap();
        for (file, text) in files {
            fs::write(scratch.join(file), text).unwrap();
        }
        let bench = Bench::new();
        bridge(&bench);
        let options = options.replace("{}", scratch.to_str().unwrap());
        let mut arguments = vec!["--iso", image.to_str().unwrap(), "--state", state.to_str().unwrap()];
        arguments.extend(options.split_whitespace());
        let pxego = Pxego::start(&bench.server, &arguments);
        Self { pxego, firmware, bench, scratch, _power: power }
    }

    fn power_on(&self, mac: &str, disk: &Path) -> Machine {
        let extras = Extras { disks: &[disk], ..Extras::default() };
        Machine::power_on_with(&self.bench.client, self.firmware, &[(TAP, mac)], &extras)
    }

    /// Ends it: all events of a machine.
    fn end(self, mac: &str) -> Vec<Value> {
        let events = self.pxego.stop();
        fs::remove_dir_all(self.scratch).unwrap();
        let of_nobody = events.iter().filter(|event| event["event"] == "intruder");
        assert_eq!(of_nobody.count(), 0, "{events:#?}");
        events.into_iter().filter(|event| event["mac"] == mac).collect()
    }
}

fn of<'a>(events: &'a [Value], key: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == key).collect()
}

/// A machine of a list is installed by its own kickstart, says so, and starts its disk from then on; another fails for the
/// third time, and waits.
#[test]
fn bios() {
    let files = [("ks.cfg.j2", TEMPLATE), ("machines.csv", MACHINES), ("state/machines", STATE)];
    let options = "--ks {}/ks.cfg.j2 --machines {}/machines.csv --only {}/machines.csv";
    let mut lab = Lab::start("installs_bios", Firmware::Bios, "el8", &files, options);
    let disk = lab.scratch.join("disk");
    disk::bios(&disk);

    let said = lab.power_on(GOOD, &disk).install();
    assert!(said.iter().any(|line| line == "row: node01, web"), "{said:#?}");
    assert!(said.iter().all(|line| !line.starts_with("script: ") || line.ends_with("status 0")), "{said:#?}");
    lab.pxego.wait_for_step("finished");
    lab.power_on(GOOD, &disk).says(disk::BOOTED);

    let failing = lab.power_on(BAD, &disk);
    failing.says("pxego-lab: row: node02, broken");
    failing.says("pxego-lab: failed: a %post script failed");
    lab.pxego.wait_for_step("failed");
    drop(failing);
    let waiting = lab.power_on(BAD, &disk);
    lab.pxego.wait_for_step("menu");
    drop(waiting);

    let state = fs::read_to_string(lab.scratch.join("state/machines")).unwrap();
    let events = lab.pxego.events().to_vec();
    let failed = lab.end(BAD);
    assert_eq!(of(&failed, "initrd").len(), 2, "the kernel's and the installer's own: one try. {failed:#?}");
    assert_eq!(of(&failed, "finished").len(), 0);
    let held = of(&failed, "held");
    assert!(!held.is_empty(), "{failed:#?}");
    let reason = "3 tries failed, the last: ERR: a %post script failed";
    assert_eq!(held[0]["reason"], reason, "{failed:#?}");

    let good: Vec<Value> = events.into_iter().filter(|event| event["mac"] == GOOD).collect();
    for key in ["started", "storage", "installed", "finished", "local"] {
        assert_eq!(of(&good, key).len(), 1, "{key}: {good:#?}");
    }
    assert_eq!(of(&good, "storage")[0]["text"], "clearpart --all --drives=vda");
    assert!(state.contains(&format!("{GOOD} done reported tries 0 name node01 ")), "{state}");
}

/// The same on UEFI, with a kickstart that everybody gets.
#[test]
fn uefi() {
    let files = [("ks.cfg", "lang en_US\n%packages\n@core\n%end\n")];
    let mut lab =
        Lab::start("installs_uefi", Firmware::Uefi, "el9", &files, "--ks {}/ks.cfg --name lab{:03}");
    let disk = lab.scratch.join("disk");
    disk::efi(&disk, &["/EFI/BOOT/BOOTX64.EFI"]);
    lab.power_on(GOOD, &disk).install();
    lab.pxego.wait_for_step("finished");
    lab.power_on(GOOD, &disk).says(disk::BOOTED);
    let events = lab.end(GOOD);
    assert_eq!(of(&events, "named")[0]["name"], "lab001");
    let kernels = of(&events, "kernel").len();
    assert_eq!(kernels, 2, "the loader's and the installer's own, and none after: {events:#?}");
}
