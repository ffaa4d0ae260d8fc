//! FAT, UDF, boot catalogues and Debian packages damaged 13,600 times where it hurts.

#[allow(unreachable_pub, dead_code)]
#[path = "fuzz/checks/deb.rs"]
mod deb;
#[allow(unreachable_pub, dead_code)]
#[path = "fuzz/checks/fat.rs"]
mod fat;
#[allow(unreachable_pub, dead_code)]
#[path = "fuzz/checks/iso.rs"]
mod iso;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "common/netns.rs"]
mod netns;
#[allow(unreachable_pub)]
#[path = "fuzz/trees.rs"]
mod trees;
#[allow(unreachable_pub, dead_code)]
#[path = "fuzz/checks/udf.rs"]
mod udf;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use mutate::Mutator;
use netns::run;
use pxego::image::{Entry, Extent, FatImage, FileData, FileTree, IsoImage};

/// One mutant that takes longer hangs, however busy the computer is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something to be damaged.
struct Subject {
    name: &'static str,
    whole: Vec<u8>,
    /// The parts that are damaged: offset and length.
    parts: Vec<(usize, usize)>,
    /// Tells whether it could be opened.
    check: fn(Vec<u8>) -> bool,
    mutants: u32,
}

impl Subject {
    /// The whole with one to four of its parts damaged, one in twenty cut short.
    fn mutant(&self, mutator: &mut Mutator) -> Vec<u8> {
        let mut bytes = self.whole.clone();
        for _ in 0..=mutator.below(4) {
            let (at, len) = self.parts[mutator.below(self.parts.len())];
            let (other, other_len) = self.parts[mutator.below(self.parts.len())];
            let mut part = mutator.mutate(&bytes[at..at + len], &[&self.whole[other..other + other_len]]);
            part.resize(len, 0);
            bytes[at..at + len].copy_from_slice(&part);
        }
        if mutator.below(20) == 0 {
            bytes.truncate(mutator.below(self.whole.len()));
        }
        bytes
    }

    /// Looks at the mutants, each for a limited time, and returns how many could be opened.
    fn watch(self) -> u32 {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mutated-{}", self.name));
        assert!((self.check)(self.whole.clone()), "{}: it is sound", self.name);
        let (begin, begun) = mpsc::sync_channel(0);
        // Not scoped: a mutant that hangs must not keep the test from ending.
        let worker = std::thread::spawn(move || {
            let mut mutator = Mutator::new(self.name);
            let mut opened = 0;
            for _ in 0..self.mutants {
                let mutant = self.mutant(&mut mutator);
                begin.send(mutant.clone()).unwrap();
                opened += u32::from((self.check)(mutant));
            }
            opened
        });
        let mut last = Vec::new();
        let broken = loop {
            match begun.recv_timeout(PATIENCE) {
                Ok(mutant) => last = mutant,
                Err(RecvTimeoutError::Timeout) => break "hangs",
                Err(RecvTimeoutError::Disconnected) => match worker.join() {
                    Ok(opened) => return opened,
                    Err(_) => break "breaks the check",
                },
            }
        };
        fs::write(&kept, last).unwrap();
        panic!("{} {broken}", kept.display());
    }
}

fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("file-systems-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Files for an image: thirty names, long and short, and what a firmware would look for.
fn make_files(folder: &Path) {
    for directory in ["EFI/BOOT", "EFI/vendor", "a/b/c/d/e", "many"] {
        fs::create_dir_all(folder.join(directory)).unwrap();
    }
    fs::write(folder.join("EFI/BOOT/BOOTX64.EFI"), vec![b's'; 3000]).unwrap();
    fs::write(folder.join("EFI/BOOT/grubx64.efi"), vec![b'g'; 2000]).unwrap();
    fs::write(folder.join("a/b/c/d/e/deep"), "deep").unwrap();
    for number in 0..30 {
        let name = format!("{number}{}.txt", "-long".repeat(number % 30));
        fs::write(folder.join("many").join(name), vec![b'x'; number * 20]).unwrap();
    }
}

/// The blocks that are neither a file's nor empty.
fn structure(whole: &[u8], block: usize, files: &[FileData]) -> Vec<(usize, usize)> {
    let mut of_files = HashSet::new();
    for data in files {
        let mut at = 0;
        while let Some(extent) = data.extent_at(at) {
            of_files.extend((extent.offset..extent.offset + extent.len).step_by(block));
            at += extent.len;
        }
    }
    let blocks = (0..whole.len() / block * block).step_by(block);
    let is_structure = |at: &usize| {
        !of_files.contains(&(*at as u64)) && whole[*at..*at + block].iter().any(|byte| *byte != 0)
    };
    blocks.filter(is_structure).map(|at| (at, block)).collect()
}

/// The files of a tree, those excepted that are inside of what is damaged.
fn files_of(tree: &dyn FileTree, walk: impl FnOnce(&mut dyn FnMut(&[u8], &Entry))) -> Vec<FileData> {
    let mut found = Vec::new();
    walk(&mut |path, _| found.extend(tree.file(path).map(|file| file.data)));
    found
}

fn data_of(whole: &[u8]) -> FileData {
    let len = whole.len() as u64;
    FileData::new(Arc::new(whole.to_vec()), [Extent { offset: 0, len }])
}

#[test]
fn damaged_fat_file_systems_are_read_or_refused() {
    let folder = scratch("fat");
    make_files(&folder.join("files"));
    for (name, options, kilobytes) in
        [("fat12", ["-F", "12", "-s", "1"], 300), ("fat16", ["-F", "16", "-s", "1"], 2200)]
    {
        let image = folder.join(name);
        fs::File::create(&image).unwrap().set_len(kilobytes << 10).unwrap();
        run(Command::new("mkfs.fat").args(options).arg(&image));
        let mut mcopy = Command::new("mcopy");
        mcopy.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(&image).args(["-s", "-Q"]);
        run(mcopy.args(["EFI", "a", "many"].map(|name| folder.join("files").join(name))).arg("::"));
        // What is empty at the end is not missed.
        let mut whole = fs::read(&image).unwrap();
        whole.truncate(whole.iter().rposition(|byte| *byte != 0).unwrap().next_multiple_of(512));
        let fat = FatImage::open(&data_of(&whole)).unwrap();
        let parts = structure(&whole, 512, &files_of(&fat, |visit| fat.walk(visit)));
        let opened = Subject { name, whole, parts, check: fat::image, mutants: 2000 }.watch();
        assert!((1000..2000).contains(&opened), "{name}: {opened} of 2000 opened");
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn damaged_udf_file_systems_are_read_or_refused() {
    let folder = scratch("udf");
    make_files(&folder.join("files"));
    let image = folder.join("image");
    run(Command::new("genisoimage")
        .args(["-quiet", "-udf", "-no-pad", "-o"])
        .arg(&image)
        .arg(folder.join("files")));
    let mut whole = fs::read(&image).unwrap();
    for sector in (16 * 2048..64 * 2048).step_by(2048) {
        if &whole[sector + 1..sector + 6] == b"CD001" {
            whole[sector..sector + 2048].fill(0);
        }
    }
    let udf = IsoImage::open(Arc::new(whole.clone())).unwrap();
    assert!(udf.entry_count() > 35);
    let parts = structure(&whole, 2048, &files_of(&udf, |visit| udf.walk(visit)));
    let opened = Subject { name: "udf", whole, parts, check: udf::image, mutants: 3000 }.watch();
    assert!((1000..3000).contains(&opened), "{opened} of 3000 opened");
    fs::remove_dir_all(&folder).unwrap();
}

/// Opens an image and the file systems that its catalogue and partition tables name.
fn boots(image: Vec<u8>) -> bool {
    let Ok(iso) = IsoImage::open(Arc::new(image)) else { return false };
    let images = iso.boot_images();
    images.iter().filter(|image| FatImage::open(&image.data).is_ok()).count() > 0
}

#[test]
fn damaged_boot_catalogues_and_partition_tables_are_read_or_refused() {
    let folder = scratch("boot");
    make_files(&folder.join("files"));
    let fat = folder.join("fat");
    fs::File::create(&fat).unwrap().set_len(300 << 10).unwrap();
    run(Command::new("mkfs.fat").args(["-F", "12", "-s", "1"]).arg(&fat));
    let mut mcopy = Command::new("mcopy");
    mcopy.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(&fat).args(["-s", "-Q"]);
    run(mcopy.arg(folder.join("files/EFI")).arg("::"));
    fs::copy(&fat, folder.join("files/efi.img")).unwrap();
    fs::write(folder.join("files/bios.bin"), vec![1; 2048]).unwrap();
    let image = folder.join("image");
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-as", "mkisofs", "-quiet", "-R", "-o"]).arg(&image);
    xorriso.args(["-b", "bios.bin", "-no-emul-boot", "-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot"]);
    xorriso.args(["-append_partition", "2", "0xef", fat.to_str().unwrap(), "-appended_part_as_gpt"]);
    run(xorriso.arg(folder.join("files")));
    let whole = fs::read(&image).unwrap();
    let iso = IsoImage::open(Arc::new(whole.clone())).unwrap();
    assert_eq!(iso.boot_images().len(), 2, "one is in the catalogue, the other is appended");
    // The tables of partitions, the boot record, and the catalogue.
    let catalog = usize::try_from(iso.boot_catalog().unwrap()).unwrap();
    let parts = vec![(0, 512), (512, 92), (1024, 512), (17 * 2048, 80), (catalog, 128)];
    let opened = Subject { name: "boot", whole, parts, check: boots, mutants: 2600 }.watch();
    assert!((600..2600).contains(&opened), "{opened} of 2600 boot");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn damaged_debian_packages_are_unpacked_or_refused() {
    let folder = scratch("deb");
    let root = folder.join("root");
    let place = root.join("usr/lib/PXELINUX");
    fs::create_dir_all(&place).unwrap();
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    fs::write(
        root.join("DEBIAN/control"),
        "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: d\n",
    )
    .unwrap();
    for number in 0..20_u8 {
        fs::write(place.join(format!("{}{number}.c32", "m".repeat(100))), vec![number; 700]).unwrap();
    }
    fs::hard_link(place.join(format!("{}0.c32", "m".repeat(100))), place.join("hard")).unwrap();
    for (name, packing) in
        [("deb-none", "-Znone"), ("deb-gzip", "-Zgzip"), ("deb-xz", "-Zxz"), ("deb-zstd", "-Zzstd")]
    {
        let package = folder.join(name);
        run(Command::new("dpkg-deb")
            .args(["--root-owner-group", packing, "--build"])
            .arg(&root)
            .arg(&package));
        let whole = fs::read(&package).unwrap();
        let parts = vec![(0, whole.len()), (0, 72), (60, 140), (whole.len() / 2, whole.len() / 2)];
        let check = |bytes: Vec<u8>| deb::unpacks(&bytes);
        let opened = Subject { name, whole, parts, check, mutants: 1000 }.watch();
        assert!((1..1000).contains(&opened), "{name}: {opened} of 1000 unpacked");
    }
    fs::remove_dir_all(&folder).unwrap();
}
