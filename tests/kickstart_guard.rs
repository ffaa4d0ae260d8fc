//! The script that chooses the disk, run by three shells before a machine that is made of files.
#![allow(clippy::disallowed_methods)]

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pxego::answer::Release;
use pxego::answer::storage::{Layout, Storage, Wipe};

/// dash, the shell of EL6's and later installers, and that of EL5's.
const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

const MIB: u64 = 1 << 20;

/// A machine below a directory: its `/sys`, `/dev`, `/proc` and `/tmp`.
struct Bench {
    root: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guard").join(name);
        let _ = fs::remove_dir_all(&root);
        for directory in ["sys/block", "dev/disk/by-id", "proc", "tmp"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("proc/mounts"), "rootfs / rootfs rw 0 0\n").unwrap();
        fs::write(root.join("proc/swaps"), "Filename Type Size Used Priority\n").unwrap();
        Self { root }
    }

    /// A disk of zeros on this bus.
    fn disk(&self, name: &str, mib: u64, bus: &str) -> PathBuf {
        let place = self.root.join("sys/devices").join(bus).join(name);
        fs::create_dir_all(&place).unwrap();
        let block = self.root.join("sys/block").join(name);
        fs::create_dir_all(block.join("holders")).unwrap();
        symlink(&place, block.join("device")).unwrap();
        for (file, text) in [
            ("size", (mib * 2048).to_string()),
            ("removable", "0".into()),
            ("ro", "0".into()),
            ("dev", "8:0".into()),
        ] {
            fs::write(block.join(file), text + "\n").unwrap();
        }
        let node = File::create(self.root.join("dev").join(name)).unwrap();
        node.set_len(mib * MIB).unwrap();
        block
    }

    /// Puts bytes on a disk.
    fn write(&self, name: &str, at: u64, bytes: &[u8]) {
        let node = File::options().write(true).open(self.root.join("dev").join(name)).unwrap();
        node.write_all_at(bytes, at).unwrap();
    }

    /// What becomes of it by this rule: the storage commands, or why the machine stops.
    fn run(&self, rule: &str) -> Result<String, String> {
        self.run_for(rule, Release::Enterprise(9))
    }

    fn run_for(&self, rule: &str, release: Release) -> Result<String, String> {
        let wipe: Wipe = rule.parse().unwrap_or_else(|error| panic!("{rule}: {error}"));
        let storage = Storage {
            wipe: &wipe,
            layout: Layout::Lvm,
            home: false,
            swap: true,
            passphrase: None,
            arguments: "quiet",
        };
        let root = self.root.to_str().unwrap();
        let script = storage
            .script(release)
            .replace("/dev/null", "/DEV/null")
            .replace("/sys/", "@ROOT@/sys/")
            .replace("/dev/", "@ROOT@/dev/")
            .replace("/proc/", "@ROOT@/proc/")
            .replace("/tmp/", "@ROOT@/tmp/")
            .replace("/DEV/null", "/dev/null")
            .replace("@ROOT@", root)
            // Files stand for disks here; and a machine that stays for ever would keep the test.
            .replace("[ ! -b \"$node\" ]", "[ ! -f \"$node\" ]")
            .replace(
                "        tell \"$text\"\n        sleep 60\n",
                "        echo \"$text\"\n        exit 9\n",
            );
        let mut results = SHELLS.map(|shell| {
            let mut command = Command::new(shell[0]);
            let output =
                command.args(&shell[1..]).args(["-c", &script]).current_dir(&self.root).output().unwrap();
            let (code, said) = (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned());
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(errors, "", "{shell:?}: {script}");
            match code {
                Some(0) => Ok(fs::read_to_string(self.root.join("tmp/pxego-disk.ks")).unwrap()),
                Some(9) => {
                    assert!(
                        !self.root.join("tmp/pxego-disk.ks").exists(),
                        "{shell:?} leaves commands behind"
                    );
                    Err(said.trim().to_owned())
                }
                other => panic!("{shell:?} ended with {other:?}: {said}"),
            }
        });
        assert!(results.iter().all(|result| *result == results[0]), "the shells differ: {results:#?}");
        std::mem::replace(&mut results[0], Err(String::new()))
    }

    fn chooses(&self, rule: &str) -> String {
        let commands = self.run(rule).unwrap_or_else(|why| panic!("{rule}: {why}"));
        let line = commands.lines().find_map(|line| line.strip_prefix("ignoredisk --only-use="));
        line.expect("a disk is chosen").to_owned()
    }

    fn refuses(&self, rule: &str, why: &str) {
        let said = self.run(rule).expect_err(rule);
        assert!(said.contains("no disk was touched") && said.contains(why), "{rule}: {said}");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

#[test]
fn a_blank_disk_is_taken_and_no_other() {
    let bench = Bench::new("blank");
    let block = bench.disk("sda", 8, "pci/ata1");
    assert_eq!(
        bench.run("blank").as_deref(),
        Ok("ignoredisk --only-use=sda\nzerombr\nclearpart --all --initlabel --drives=sda\n\
            bootloader --location=mbr --boot-drive=sda --append=quiet\nautopart --type=lvm --nohome\n")
    );
    for (at, bytes, why) in [
        (510, &b"\x55\xaa"[..], "first MiB"),
        (1080, b"\x53\xef", "first MiB"),
        (8 * MIB - 512, b"EFI PART", "last MiB"),
        (8 * MIB - 65536, b"\xfc\x4e\x2b\xa9", "last MiB"),
    ] {
        bench.write("sda", at, bytes);
        bench.refuses("blank", why);
        assert_eq!(bench.chooses("smallest"), "sda", "a rule that does not ask for a blank one");
        bench.write("sda", at, &vec![0; bytes.len()]);
    }
    let part = block.join("sda1");
    fs::create_dir(&part).unwrap();
    fs::write(part.join("start"), "2048\n").unwrap();
    bench.refuses("blank", "sda (8 MiB) has partitions");
}

#[test]
fn what_cannot_be_read_is_not_blank() {
    let bench = Bench::new("unreadable");
    bench.disk("sda", 8, "pci/ata1");
    // Shorter than it says: reads at its end fail.
    File::options().write(true).open(bench.root.join("dev/sda")).unwrap().set_len(4 * MIB).unwrap();
    bench.refuses("blank", "is not blank");
    bench.disk("sdb", 1, "pci/ata2");
    bench.refuses("blank", "sdb (1 MiB) is too small");
}

#[test]
fn external_and_used_disks_are_never_taken() {
    let bench = Bench::new("external");
    bench.disk("sda", 8, "pci/usb1/1-1");
    let removable = bench.disk("sdb", 8, "pci/ata1");
    fs::write(removable.join("removable"), "1\n").unwrap();
    let read_only = bench.disk("sdc", 8, "pci/ata2");
    fs::write(read_only.join("ro"), "1\n").unwrap();
    bench.disk("sdd", 8, "pci/ata3");
    fs::write(
        bench.root.join("proc/mounts"),
        format!("{}/dev/sdd1 /run/install/repo iso9660 ro 0 0\n", bench.root.display()),
    )
    .unwrap();
    let member = bench.disk("sde", 8, "pci/ata4");
    fs::create_dir_all(member.join("holders/md127")).unwrap();
    let card = bench.disk("mmcblk0", 8, "pci/mmc0/mmc0:1");
    fs::write(card.join("device/type"), "SD\n").unwrap();
    bench.disk("sdf", 0, "pci/ata5");
    for other in ["loop0", "sr0", "dm-0", "md0", "zram0", "mmcblk1boot0"] {
        bench.disk(other, 8, "virtual");
    }
    for rule in ["blank", "all", "smallest", "sda", "sdb", "size>=1MiB"] {
        for why in [
            "sda (8 MiB) is an external disk",
            "sdb (8 MiB) is removable",
            "sdc (8 MiB) cannot be written",
            "sdd (8 MiB) is in use",
            "sde (8 MiB) is a part of md127",
            "mmcblk0 (8 MiB) is a memory card",
            "sdf (0 MiB) has no medium",
        ] {
            bench.refuses(rule, why);
        }
    }
    let said = bench.run("all").expect_err("none fits");
    assert!(!["loop0", "sr0", "dm-0", "zram0", "mmcblk1"].iter().any(|name| said.contains(name)), "{said}");
}

#[test]
fn a_rule_finds_the_one_that_is_meant() {
    let bench = Bench::new("rules");
    let facts = |block: &Path, model: &str, serial: &str| {
        fs::write(block.join("device/model"), format!("{model}   \n")).unwrap();
        fs::write(block.join("device/serial"), format!("  {serial}\n")).unwrap();
    };
    facts(&bench.disk("sda", 16, "pci/ata1/host0"), "WDC WD40", "WD-1");
    facts(&bench.disk("nvme0n1", 8, "pci/nvme/nvme0"), "Samsung SSD 980", "S64D");
    facts(&bench.disk("vda", 32, "pci/virtio1"), "$(touch hacked)", "';touch hacked;'");
    symlink("../../vda", bench.root.join("dev/disk/by-id/virtio-disk1")).unwrap();
    for (rule, disk) in [
        ("smallest", "nvme0n1"),
        ("largest", "vda"),
        ("size>=9MiB,smallest", "sda"),
        ("size<=9MiB", "nvme0n1"),
        ("size>=9MiB,size<=20MiB", "sda"),
        ("sda", "sda"),
        ("/dev/vda", "vda"),
        ("model=WDC*", "sda"),
        ("model=*SSD*", "nvme0n1"),
        ("serial=S64D", "nvme0n1"),
        ("transport=nvme", "nvme0n1"),
        ("transport=virtio", "vda"),
        ("by-id/virtio-disk*", "vda"),
        ("model=$(touch hacked)", "vda"),
        ("serial=';touch hacked;'", "vda"),
        ("blank", "nvme0n1"),
        ("all", "nvme0n1,sda,vda"),
    ] {
        assert_eq!(bench.chooses(rule), disk, "{rule}");
    }
    bench.refuses("size>=9MiB", "several disks fit; add smallest or largest to the rule");
    bench.refuses("sdb", "no disk fits the rule sdb");
    bench.refuses("model=WDC", "is of another model");
    bench.refuses("by-id/nothing", "sda (16 MiB) is not nothing");
    for rule in
        ["model=`touch hacked`", "serial=\"$(touch hacked)\"", "model=*;touch hacked;*", "model='\"\\"]
    {
        bench.refuses(rule, "no disk fits the rule");
    }
    assert!(!bench.root.join("hacked").exists(), "a value was run");
}

#[test]
fn old_releases_get_their_own_words() {
    let bench = Bench::new("old");
    bench.disk("cciss!c0d0", 8, "pci/scsi");
    fs::create_dir_all(bench.root.join("dev/cciss")).unwrap();
    fs::rename(bench.root.join("dev/cciss!c0d0"), bench.root.join("dev/cciss/c0d0")).unwrap();
    assert_eq!(
        bench.run_for("cciss/c0d0", Release::Enterprise(5)).as_deref(),
        Ok("ignoredisk --only-use=cciss/c0d0\nzerombr\nclearpart --all --initlabel --drives=cciss/c0d0\n\
            bootloader --location=mbr --driveorder=cciss/c0d0 --append=quiet\nautopart\n")
    );
}
